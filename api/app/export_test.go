package app

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// WorkerSamples returns what scrapes show of workers while nothing is paused.
func WorkerSamples(workers []control.Worker, view control.View) []telemetry.WorkerSample {
	return workerSamples(workers, view, time.Now())
}

// EmailResult returns as what an email counts whose sending ended with an error or nil.
func EmailResult(err error) string { return emailResult(err) }

// Verifies reports whether new accounts have to confirm their address.
func Verifies(c Config) bool { return c.verifies() }
