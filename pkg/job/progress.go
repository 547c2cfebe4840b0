package job

import "fmt"

// Counts holds how many attempts of a job have ended without success. Only failures count towards MaxAttempts.
type Counts struct {
	Failures  int `json:"failures"`
	Throttles int `json:"throttles"`
	Crashes   int `json:"crashes"`
}

// Progress is the latest running or retrying state of a job. It is stored in memory only; if it is lost, so are the counts.
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
	// Optimized is the improved prompt of an earlier attempt, so that improving it is not billed again.
	Optimized string `json:"optimized,omitempty"`
	// Usage is the usage of improving the prompt.
	Usage *Usage `json:"usage,omitempty"`
	// Media are the stored images of a set, in order.
	Media []Media `json:"media,omitempty"`
	// Refused are the images of a set that the upstream permanently refuses; they are not requested again.
	Refused []Missing `json:"refused,omitempty"`
	// PartialText is the output of the language model so far.
	PartialText string `json:"partial_text,omitempty"`
	// LastError is the error of the latest attempt.
	LastError *Error `json:"last_error,omitempty"`
	Worker    string `json:"worker,omitempty"`
}

// EventID identifies this state among a job's events.
func (p *Progress) EventID() string { return fmt.Sprintf("%d.%d", p.Delivery, p.Step) }

// Encode returns the stored form.
func (p *Progress) Encode() ([]byte, error) {
	p.V = Version
	return encode("progress", p)
}

// DecodeProgress decodes a stored progress. It fails with ErrNewer when a newer version wrote it.
func DecodeProgress(b []byte) (*Progress, error) { return decode[Progress]("progress", b, Version) }
