package job

import "time"

// Defaults are the values of omitted fields. They are filled in at submission, so that a job means the same whenever and
// wherever it runs.
type Defaults struct {
	ImageModel string
	AudioModel string
	Voice      string
	// Format is the format of speech; empty means mp3.
	Format string
	// Seed returns a random seed between 0 and MaxSeed.
	Seed func() int64
}

// In returns the defaults for a catalogue: models that the upstream still serves, and a voice of the speech model.
func (d Defaults) In(c *Catalogue) Defaults {
	d.ImageModel = ServedModel(c.Images, d.ImageModel).Name
	return (&AudioInput{}).defaults(d, c)
}

// DefaultDeadline returns the default time from the submission of a job to its deadline.
func DefaultDeadline(kind Kind) time.Duration {
	switch kind {
	case KindPrompt, KindTranslation:
		return 2 * time.Minute
	case KindImage, KindAudio:
	}
	return time.Hour
}
