package job

// Spending says that what a job costs is counted for its owner. Versions that do not know it count nothing.
type Spending struct{}

// Model returns the model that the job requests, or "" for a text, which has none.
func (s *Spec) Model() string {
	switch in := s.Input.(type) {
	case *ImageInput:
		return in.Model
	case *AudioInput:
		return in.Model
	}
	return ""
}

// Usage returns what the upstream calls of a job have used, or nil if there were none.
func (r *Record) Usage() *Usage {
	if r.Result == nil {
		return nil
	}
	return r.Result.Usage
}

// Produced returns the number of images, audio files and texts that a job has produced.
func (r *Record) Produced() int {
	switch {
	case r.Result == nil:
		return 0
	case r.Result.Text != "":
		return 1
	}
	return len(r.Result.Media)
}
