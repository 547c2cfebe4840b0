package store

// Step names a step of a deletion.
type Step = step

// The steps of a deletion before its last.
const (
	StepDeleteMedia    = stepDeleteMedia
	StepDeleteProgress = stepDeleteProgress
)

// SetAfter has f called behind each step of a deletion; its error stops that there, as a crash would.
func (s *Store) SetAfter(f func(Step) error) { s.after = f }
