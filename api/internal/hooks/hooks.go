// Package hooks has what tests change in an API process and no installation does.
package hooks

import (
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
)

// App changes a process in tests. The zero value changes nothing.
type App struct {
	// StartupGrace replaces the time that an external NATS has before the port is opened without it.
	StartupGrace time.Duration
	// Feed and Erasure replace the intervals of live events and of the deletion of accounts.
	Feed    feed.Config
	Erasure erasure.Config
	// WebhookSchedule replaces the delays between the attempts to deliver an event.
	WebhookSchedule []time.Duration
}

// Server changes the HTTP API in tests. Durations other than 0 replace their defaults.
type Server struct {
	// SubmitTimeout is how long a submission waits for NATS to store it.
	SubmitTimeout time.Duration
	// KeepAlive is how often a silent event stream gets a comment.
	KeepAlive time.Duration
	// UploadGrace is how long an upload may take before its rate counts.
	UploadGrace time.Duration
}
