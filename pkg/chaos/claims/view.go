package claims

import (
	"encoding/json"
	"fmt"
)

// View is what a client reads of a job. It is written down anew, from the contract, so that a mistake in the product's own
// types shows.
type View struct {
	ID         string  `json:"id"`
	Kind       string  `json:"kind"`
	Status     string  `json:"status"`
	FinishedAt string  `json:"finished_at,omitempty"`
	Attempt    int     `json:"attempt"`
	Cancel     string  `json:"cancel,omitempty"`
	Result     *Result `json:"result,omitempty"`
	Error      *Fault  `json:"error,omitempty"`
}

// Result is what a job made.
type Result struct {
	Media   []Medium `json:"media"`
	Text    string   `json:"text,omitempty"`
	Missing []struct {
		Index int `json:"index"`
	} `json:"missing,omitempty"`
}

// Medium is one picture or recording.
type Medium struct {
	Index  int    `json:"index"`
	URL    string `json:"url"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Fault is why a job failed.
type Fault struct {
	Code string `json:"code"`
}

// The states in which a job has ended.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Canceled  = "canceled"
)

// Ended reports whether the job has ended.
func (v *View) Ended() bool {
	return v.Status == Succeeded || v.Status == Failed || v.Status == Canceled
}

// Read reads a job as the API shows it.
func Read(data []byte) (*View, error) {
	var v View
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	if v.ID == "" || v.Status == "" {
		return nil, fmt.Errorf("read job: it has no id or no status")
	}
	return &v, nil
}

// end is all of an ended job that must be the same for ever.
func (v *View) end() string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
