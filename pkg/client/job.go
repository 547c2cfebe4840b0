package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// Request is a job to be submitted.
type Request struct {
	// Kind is image, audio, prompt or translation.
	Kind  string `json:"kind"`
	Input Input  `json:"input"`
	// DeadlineSeconds, unless 0, is the time after which the job fails if it has not ended.
	DeadlineSeconds int `json:"deadline_seconds,omitempty"`
	// Metadata and Tags are for the caller's own use; jobs can be listed by tags.
	Metadata map[string]string `json:"metadata,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	// Cache, if false, requires a result of its own. Otherwise an image with a seed, and speech, have the result of an identical earlier
	// job of the caller if there is one.
	Cache *bool `json:"cache,omitempty"`
	// Webhook is the URL to which the events of the job are sent, for members only. Unless it is set, they are sent to the URL of
	// the account, if that has one.
	Webhook string `json:"webhook,omitempty"`
	// WebhookEvents are those that are sent: job.started, job.succeeded, job.failed, job.canceled. If nil they are those of the end of
	// the job, or those set for the account if its URL is used; an empty list sends none.
	WebhookEvents []string `json:"webhook_events,omitzero"`
}

// Input is the input of a job. Of each field, the zero value means that the server chooses.
type Input struct {
	// Prompt, Negative, Width, Height, Seed, N, Optimize, Quality, Transparent and ReferenceImages are of images.
	Prompt      string `json:"prompt,omitempty"`
	Negative    string `json:"negative,omitempty"`
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	Seed        *int64 `json:"seed,omitempty"`
	N           int    `json:"n,omitempty"`
	Optimize    bool   `json:"optimize,omitempty"`
	Quality     string `json:"quality,omitempty"`
	Transparent bool   `json:"transparent,omitempty"`
	// ReferenceImages are URLs of public images, the Reference of an Upload, or job:ID/INDEX for an image of a job.
	ReferenceImages []string `json:"reference_images,omitempty"`
	// Model is of images and audio.
	Model string `json:"model,omitempty"`
	// Text is of audio, prompts and translations; Voice, Speed and Format are of audio.
	Text   string  `json:"text,omitempty"`
	Voice  string  `json:"voice,omitempty"`
	Speed  float64 `json:"speed,omitempty"`
	Format string  `json:"format,omitempty"`
}

// Job is a job as the server shows it. openapi.yaml describes the fields.
type Job struct {
	ID            string    `json:"id"`
	Kind          string    `json:"kind"`
	Status        string    `json:"status"`
	Stage         string    `json:"stage,omitempty"`
	CreatedAt     time.Time `json:"created_at"`
	StartedAt     time.Time `json:"started_at,omitzero"`
	FinishedAt    time.Time `json:"finished_at,omitzero"`
	Deadline      time.Time `json:"deadline"`
	Attempt       int       `json:"attempt"`
	MaxAttempts   int       `json:"max_attempts"`
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
	WaitingFor    string    `json:"waiting_for,omitempty"`
	QueuePosition *int      `json:"queue_position,omitempty"`
	ETASeconds    *int      `json:"eta_seconds,omitempty"`
	Progress      *int      `json:"progress,omitempty"`
	Input         Input     `json:"input"`
	Result        *Result   `json:"result,omitempty"`
	PartialText   string    `json:"partial_text,omitempty"`
	Error         *JobError `json:"error,omitempty"`
	LastError     *JobError `json:"last_error,omitempty"`
	// Cached reports that the result is a copy of that of an identical job, which was not charged.
	Cached bool `json:"cached,omitempty"`

	Metadata map[string]string `json:"metadata,omitempty"`
	Tags     []string          `json:"tags,omitempty"`

	// Webhook is where the WebhookEvents are sent; empty if nowhere.
	Webhook       string   `json:"webhook,omitempty"`
	WebhookEvents []string `json:"webhook_events,omitempty"`

	// Raw is the job as it was received, with the fields that this version does not know.
	Raw json.RawMessage `json:"-"`
}

// UnmarshalJSON decodes a job and keeps it as it was received.
func (j *Job) UnmarshalJSON(data []byte) error {
	type plain Job
	if err := json.Unmarshal(data, (*plain)(j)); err != nil {
		return err
	}
	j.Raw = append(json.RawMessage(nil), data...)
	return nil
}

// Ended reports whether the job is in a final state.
func (j *Job) Ended() bool {
	return j.Status == "succeeded" || j.Status == "failed" || j.Status == "canceled"
}

// Err returns nil if the job has succeeded or has not ended, and otherwise why there is no result: a *JobError, or an error that
// says that the job was canceled.
func (j *Job) Err() error {
	switch {
	case j.Status == "failed" && j.Error != nil:
		return j.Error
	case j.Status == "failed" || j.Status == "canceled":
		return fmt.Errorf("the job has %s", map[string]string{"failed": "failed", "canceled": "been canceled"}[j.Status])
	}
	return nil
}

// Result is the result of a job. The finished images of a set are in it before the job has ended.
type Result struct {
	Media []Media `json:"media"`
	Text  string  `json:"text,omitempty"`
	// Upstream is the provider that served, if the operator has listed several.
	Upstream string `json:"upstream,omitempty"`
	// Missing are the images of a set that could not be generated.
	Missing []struct {
		Index int      `json:"index"`
		Error JobError `json:"error"`
	} `json:"missing,omitempty"`
}

// Media is an image or audio file; Client.Download reads it.
type Media struct {
	Index       int    `json:"index"`
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	Width       int    `json:"width,omitempty"`
	Height      int    `json:"height,omitempty"`
	Seed        *int64 `json:"seed,omitempty"`
	Model       string `json:"model,omitempty"`
	// Upstream is the provider that made it.
	Upstream string `json:"upstream,omitempty"`
}

// JobError says why a job, or its latest attempt, did not succeed.
type JobError struct {
	Code      string `json:"code"`
	Message   string `json:"message"`
	Retryable bool   `json:"retryable"`
}

// Error returns the sentence for the user and the code.
func (e *JobError) Error() string { return e.Message + " (" + e.Code + ")" }
