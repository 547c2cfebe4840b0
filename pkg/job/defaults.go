package job

import "time"

// Defaults replace what a caller left open, at submission, so that a job means the same whenever and wherever it is
// worked.
type Defaults struct {
	ImageModel string
	AudioModel string
	Voice      string
	// Format is of speech; empty means mp3.
	Format string
	// Seed returns a random seed between 0 and MaxSeed.
	Seed func() int64
}

// In returns the defaults that are in force with a catalogue: models that the upstream still serves, and a voice of the speech
// model.
func (d Defaults) In(c *Catalogue) Defaults {
	d.ImageModel = ServedModel(c.Images, d.ImageModel).Name
	return (&AudioInput{}).defaults(d, c)
}

// DefaultDeadline returns how long a job of the given kind may take unless its caller sets a deadline.
func DefaultDeadline(kind Kind) time.Duration {
	switch kind {
	case KindPrompt, KindTranslation:
		return 2 * time.Minute
	case KindImage, KindAudio:
	}
	return time.Hour
}
