package app

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// WorkerSamples returns the current worker samples.
func WorkerSamples(workers []control.Worker, view control.View) []telemetry.WorkerSample {
	return workerSamples(workers, view, time.Now())
}

// EmailResult returns the metric label for the error of an email.
func EmailResult(err error) string { return emailResult(err) }

// Verifies reports whether new accounts must confirm their email address.
func Verifies(c Config) bool { return c.verifies() }
