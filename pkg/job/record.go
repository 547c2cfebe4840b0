package job

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Record is how a job ended. It is written once and never changes.
type Record struct {
	V      int    `json:"v"`
	Status Status `json:"status"`
	Spec   *Spec  `json:"spec"`
	// Attempt is the number of the attempt that ended the job; 0 when none was begun.
	Attempt int `json:"attempt"`
	Counts
	StartedAt  *Time      `json:"started_at,omitempty"`
	FinishedAt Time       `json:"finished_at"`
	Result     *Result    `json:"result,omitempty"`
	Error      *Error     `json:"error,omitempty"`
	Cancel     CancelKind `json:"cancel,omitempty"`
}

// CancelKind says when a job was canceled; a call that was under way may still be billed by the upstream.
type CancelKind string

// When a job was canceled.
const (
	CancelBeforeStart  CancelKind = "before_start"
	CancelWhileRunning CancelKind = "while_running"
)

// Result is what a job made.
type Result struct {
	Media []Media `json:"media,omitempty"`
	// Text is the improved or translated text.
	Text string `json:"text,omitempty"`
	// Prompt shows what an optimising job made of the caller's words.
	Prompt *PromptPair `json:"prompt,omitempty"`
	// Missing names the pictures of a set that could not be made.
	Missing []Missing `json:"missing,omitempty"`
	// Usage is what all upstream calls that led to the result used.
	Usage *Usage `json:"usage,omitempty"`
}

// PromptPair is a prompt before and after it was improved.
type PromptPair struct {
	Original  string `json:"original"`
	Optimized string `json:"optimized"`
}

// Missing is a picture that could not be made, and why.
type Missing struct {
	Index int   `json:"index"`
	Error Error `json:"error"`
}

// Media describes one stored picture or recording. It is also the manifest under which its bytes are found.
type Media struct {
	Index       int    `json:"index"`
	ContentType string `json:"content_type"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	Seed        *int64 `json:"seed,omitempty"`
	Model       string `json:"model,omitempty"`
	// SampleRate and Channels are those of bare samples (audio/pcm: 16 bits each, low byte first), which do not tell them;
	// 0 for anything else.
	SampleRate int `json:"sample_rate,omitempty"`
	Channels   int `json:"channels,omitempty"`
	// Usage is what making it used, where the upstream said so.
	Usage *Usage `json:"usage,omitempty"`
}

// Encode returns the stored form.
func (r *Record) Encode() ([]byte, error) {
	r.V = Version
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	return b, nil
}

// DecodeRecord reads a stored record. It fails with ErrNewer when a newer program wrote it.
func DecodeRecord(b []byte) (*Record, error) {
	if err := checkVersion(b); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("decode record: %w", err)
	}
	if r.Spec == nil || !r.Status.Terminal() {
		return nil, errors.New("decode record: incomplete")
	}
	return &r, nil
}

// DeadLetter is a failed job as the operator finds it: what was asked, what was tried and the last error.
type DeadLetter struct {
	V        int    `json:"v"`
	Spec     *Spec  `json:"spec"`
	Attempt  int    `json:"attempt"`
	FailedAt Time   `json:"failed_at"`
	Error    *Error `json:"error"`
	// Detail is what the upstream said, for the operator alone.
	Detail string `json:"detail,omitempty"`
	Counts
}

// Encode returns the stored form.
func (d *DeadLetter) Encode() ([]byte, error) {
	d.V = Version
	b, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode dead letter: %w", err)
	}
	return b, nil
}

// DecodeDeadLetter reads a stored dead letter. It fails with ErrNewer when a newer program wrote it.
func DecodeDeadLetter(b []byte) (*DeadLetter, error) {
	if err := checkVersion(b); err != nil {
		return nil, fmt.Errorf("decode dead letter: %w", err)
	}
	var d DeadLetter
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("decode dead letter: %w", err)
	}
	if d.Spec == nil || d.Error == nil {
		return nil, errors.New("decode dead letter: incomplete")
	}
	return &d, nil
}
