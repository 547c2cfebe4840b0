package job

import (
	"encoding/json"
	"fmt"
)

// Counts says how a job's attempts ended so far. Only failures are limited by the job's attempts.
type Counts struct {
	Failures  int `json:"failures"`
	Throttles int `json:"throttles"`
	Crashes   int `json:"crashes"`
}

// Progress is the latest running or retrying state of a job. It is advisory: it lies in memory and its loss harms
// nothing but the counts.
type Progress struct {
	V      int    `json:"v"`
	ID     string `json:"id"`
	Status Status `json:"status"`
	Stage  Stage  `json:"stage,omitempty"`
	// Delivery is the queue's delivery count and Step counts the changes within it; together they order events.
	Delivery uint64 `json:"delivery"`
	Step     uint64 `json:"step"`
	Attempt  int    `json:"attempt"`
	Counts
	StartedAt     *Time  `json:"started_at,omitempty"`
	NextAttemptAt *Time  `json:"next_attempt_at,omitempty"`
	WaitingFor    string `json:"waiting_for,omitempty"`
	Percent       *int   `json:"percent,omitempty"`
	// Optimized is the prompt that an earlier attempt improved, so that it is not improved, and billed, again.
	Optimized string `json:"optimized,omitempty"`
	// Usage is what improving the prompt used.
	Usage *Usage `json:"usage,omitempty"`
	// Media are the pictures of a set that are there already, in order.
	Media []Media `json:"media,omitempty"`
	// Refused names the pictures of a set that will never be made; they are not asked for again.
	Refused []Missing `json:"refused,omitempty"`
	// PartialText is what a language model has written so far.
	PartialText string `json:"partial_text,omitempty"`
	// LastError is why the latest attempt did not succeed.
	LastError *Error `json:"last_error,omitempty"`
	Worker    string `json:"worker,omitempty"`
}

// EventID names this state among a job's events.
func (p *Progress) EventID() string { return fmt.Sprintf("%d.%d", p.Delivery, p.Step) }

// Encode returns the stored form.
func (p *Progress) Encode() ([]byte, error) {
	p.V = Version
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode progress: %w", err)
	}
	return b, nil
}

// DecodeProgress reads a stored progress. It fails with ErrNewer when a newer program wrote it.
func DecodeProgress(b []byte) (*Progress, error) {
	if err := checkVersion(b); err != nil {
		return nil, fmt.Errorf("decode progress: %w", err)
	}
	var p Progress
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("decode progress: %w", err)
	}
	return &p, nil
}
