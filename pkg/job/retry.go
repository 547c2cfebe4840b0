package job

import "time"

// Allowance returns the time from the submission to the deadline.
func (s *Spec) Allowance() time.Duration { return s.Deadline.Sub(s.CreatedAt.Time) }

// Again returns the spec of a new job with the same owner, request and allowance as s. The seed stays the same too: if the
// upstream has generated the image meanwhile, it returns it from its cache. The new job is not charged, and has a result of its own.
func (s *Spec) Again(id string, created time.Time) *Spec {
	again := *s
	again.ID, again.RetriedFrom, again.Batch, again.CacheKey = id, s.ID, "", ""
	again.Charge, again.DeferredCharge = nil, nil
	if s.Spending != nil {
		again.Spending = &Spending{}
	}
	again.CreatedAt, again.Deadline = At(created), At(created.Add(s.Allowance()))
	return &again
}

// CanBeRetried reports whether the job may be retried: it failed or was canceled, and its request can be decoded.
func (r *Record) CanBeRetried() bool {
	switch r.Status {
	case StatusFailed:
		return r.Error == nil || r.Error.Code != CodeInvalidJob
	case StatusCanceled:
		return true
	case StatusQueued, StatusRunning, StatusRetrying, StatusSucceeded:
	}
	return false
}

// CanBeReplayed reports whether the job may be submitted again: its request can be decoded.
func (d *DeadLetter) CanBeReplayed() bool { return d.Error.Code != CodeInvalidJob }

// RetryFingerprint returns the fingerprint of a request to retry a job. It contains the id but not the request of the job, so that
// a repeated retry is recognized after the job has expired.
func RetryFingerprint(id string, seed *int64, deadlineSeconds *int) (string, error) {
	return fingerprint(struct {
		RetriedFrom string `json:"retried_from"`
		Seed        *int64 `json:"seed,omitempty"`
		Deadline    *int   `json:"deadline_seconds,omitempty"`
	}{id, seed, deadlineSeconds})
}
