package job

// Status is the state of a job as a client sees it.
//
//	queued ──▶ running ──▶ succeeded
//	  │         │  ▲  ├───▶ failed
//	  │         ▼  │  └───▶ canceled
//	  │       retrying
//	  │         ├─────────▶ failed, canceled
//	  └───────────────────▶ failed, canceled
//
// A job that is delivered again because its worker died goes from running to running. The three terminal states are
// absorbing: the first terminal record that is stored wins.
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

// Statuses returns every state, in the order of a job's life.
func Statuses() []Status {
	return []Status{StatusQueued, StatusRunning, StatusRetrying, StatusSucceeded, StatusFailed, StatusCanceled}
}

// Valid reports whether s is a known state.
func (s Status) Valid() bool {
	switch s {
	case StatusQueued, StatusRunning, StatusRetrying, StatusSucceeded, StatusFailed, StatusCanceled:
		return true
	}
	return false
}

// Terminal reports whether a job in state s has ended.
func (s Status) Terminal() bool {
	return s == StatusSucceeded || s == StatusFailed || s == StatusCanceled
}
