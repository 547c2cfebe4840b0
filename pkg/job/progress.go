package job

import (
	"encoding/json"
	"fmt"
)

// Counts says how a job's attempts have ended so far. Only failures count against MaxAttempts.
type Counts struct {
	Failures  int `json:"failures"`
	Throttles int `json:"throttles"`
	Crashes   int `json:"crashes"`
}

// Progress is the latest running or retrying state of a job. It is advisory: it is stored in memory, and losing it costs nothing
// but the counts.
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
	// Optimized is the improved prompt of an earlier attempt, so that it is not improved, and billed, again.
	Optimized string `json:"optimized,omitempty"`
	// Usage is that of improving the prompt.
	Usage *Usage `json:"usage,omitempty"`
	// Media are the stored images of a set, in order.
	Media []Media `json:"media,omitempty"`
	// Refused are the images of a set that the upstream refused for good; they are not requested again.
	Refused []Missing `json:"refused,omitempty"`
	// PartialText is what the language model has written so far.
	PartialText string `json:"partial_text,omitempty"`
	// LastError is why the latest attempt did not succeed.
	LastError *Error `json:"last_error,omitempty"`
	Worker    string `json:"worker,omitempty"`
}

// EventID identifies this state among a job's events.
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
