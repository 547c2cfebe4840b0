package job

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Allowance returns the time from the submission of the job to its deadline.
func (s *Spec) Allowance() time.Duration { return s.Deadline.Sub(s.CreatedAt.Time) }

// Again returns a new job with the same request as s, for the same owner and with the same allowance. The seed stays the same
// too: an upstream that has the image by now returns it from its cache. The new job is not charged.
func (s *Spec) Again(id string, created time.Time) *Spec {
	again := *s
	again.ID, again.RetriedFrom, again.Charge = id, s.ID, nil
	again.CreatedAt, again.Deadline = At(created), At(created.Add(s.Allowance()))
	return &again
}

// CanBeRetried reports whether a job that ended this way may be retried: it failed or was canceled, and its request is known.
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

// CanBeReplayed is CanBeRetried for a dead letter.
func (d *DeadLetter) CanBeReplayed() bool { return d.Error.Code != CodeInvalidJob }

// RetryFingerprint identifies a request to retry a job. The job's request follows from its id and is not part of it, so that a
// repeated retry is recognized when the job is no longer kept.
func RetryFingerprint(id string, seed *int64, deadlineSeconds *int) (string, error) {
	b, err := json.Marshal(struct {
		RetriedFrom string `json:"retried_from"`
		Seed        *int64 `json:"seed,omitempty"`
		Deadline    *int   `json:"deadline_seconds,omitempty"`
	}{id, seed, deadlineSeconds})
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
