package model

import (
	"encoding/json"
	"fmt"
)

// View is a job as clients read it. It follows the contract and does not use the product's types, so that mistakes in those
// show.
type View struct {
	ID         string   `json:"id"`
	Kind       string   `json:"kind"`
	Status     string   `json:"status"`
	FinishedAt string   `json:"finished_at,omitempty"`
	Attempt    int      `json:"attempt"`
	Cancel     string   `json:"cancel,omitempty"`
	Result     *Result  `json:"result,omitempty"`
	Error      *Failure `json:"error,omitempty"`
}

// Result is the result of a job.
type Result struct {
	Media   []Media `json:"media"`
	Text    string  `json:"text,omitempty"`
	Missing []struct {
		Index int `json:"index"`
	} `json:"missing,omitempty"`
}

// Media is one image or audio file.
type Media struct {
	Index  int    `json:"index"`
	URL    string `json:"url"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Failure is the error of a failed job.
type Failure struct {
	Code string `json:"code"`
}

// The final statuses.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Canceled  = "canceled"
)

// Ended reports whether the job has ended.
func (v *View) Ended() bool {
	return v.Status == Succeeded || v.Status == Failed || v.Status == Canceled
}

// Parse decodes a job from a response.
func Parse(data []byte) (*View, error) {
	var v View
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, fmt.Errorf("parse job: %w", err)
	}
	if v.ID == "" || v.Status == "" {
		return nil, fmt.Errorf("parse job: no id or no status")
	}
	return &v, nil
}

// final returns everything about a finished job that must never change.
func (v *View) final() string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
