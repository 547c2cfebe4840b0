// Package hooks has what tests change in a worker and no installation does.
package hooks

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Processor changes a processor in tests. Durations other than 0 replace their defaults.
type Processor struct {
	// Heartbeat is the interval of heartbeats.
	Heartbeat time.Duration
	// WriteTimeout is the time after which a write of a few bytes is repeated, and SettleTimeout how long each step of a settlement is retried.
	WriteTimeout, SettleTimeout time.Duration
	// MisconfiguredDelay is the first delay after an upstream refused this installation.
	MisconfiguredDelay time.Duration
	// ProgressDelay is how long the progress of a first delivery is held back.
	ProgressDelay time.Duration
	// IdleWait is how long a pull waits on a lane without jobs.
	IdleWait time.Duration
	// AfterStep, if not nil, is called after each step of a settlement. Its error abandons the delivery, as a crash would.
	AfterStep func(jobs.Step) error
}
