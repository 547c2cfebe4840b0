package job

import "slices"

// Status is the state of a job as shown to clients.
//
//	queued ──▶ running ──▶ succeeded
//	  │         │  ▲  ├───▶ failed
//	  │         ▼  │  └───▶ canceled
//	  │       retrying
//	  │         ├─────────▶ failed, canceled
//	  └───────────────────▶ failed, canceled
//
// A job that is delivered again because its worker died goes from running to running. The three terminal states are final: the
// first terminal record that is stored wins.
type Status string

// The states of a job.
const (
	StatusQueued    Status = "queued"
	StatusRunning   Status = "running"
	StatusRetrying  Status = "retrying"
	StatusSucceeded Status = "succeeded"
	StatusFailed    Status = "failed"
	StatusCanceled  Status = "canceled"
)

// Statuses returns all states, in the order of a job's life.
func Statuses() []Status {
	return []Status{StatusQueued, StatusRunning, StatusRetrying, StatusSucceeded, StatusFailed, StatusCanceled}
}

// Valid reports whether s is a known state.
func (s Status) Valid() bool { return slices.Contains(Statuses(), s) }

// Terminal reports whether s is a terminal state.
func (s Status) Terminal() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusCanceled
}
