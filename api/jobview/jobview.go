// Package jobview holds jobs as shown by the API, in responses, lists and events: with the URLs of their resources and with
// sentences in the client's language.
package jobview

import (
	"strconv"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Job is a job as shown by the API.
type Job struct {
	ID            string     `json:"id"`
	Kind          job.Kind   `json:"kind"`
	Status        job.Status `json:"status"`
	Stage         job.Stage  `json:"stage,omitempty"`
	CreatedAt     job.Time   `json:"created_at"`
	StartedAt     *job.Time  `json:"started_at,omitempty"`
	FinishedAt    *job.Time  `json:"finished_at,omitempty"`
	Deadline      job.Time   `json:"deadline"`
	Attempt       int        `json:"attempt"`
	MaxAttempts   int        `json:"max_attempts"`
	NextAttemptAt *job.Time  `json:"next_attempt_at,omitempty"`
	// WaitingFor is a sentence, and WaitingReason its code.
	WaitingFor    string         `json:"waiting_for,omitempty"`
	WaitingReason string         `json:"waiting_reason,omitempty"`
	QueuePosition *int           `json:"queue_position,omitempty"`
	ETASeconds    *int           `json:"eta_seconds,omitempty"`
	Progress      *int           `json:"progress,omitempty"`
	Input         job.Input      `json:"input"`
	RetriedFrom   string         `json:"retried_from,omitempty"`
	BatchID       string         `json:"batch_id,omitempty"`
	Cancel        job.CancelKind `json:"cancel,omitempty"`
	Cached        bool           `json:"cached,omitempty"`
	Result        *Result        `json:"result,omitempty"`
	Usage         *job.Usage     `json:"usage,omitempty"`
	Error         *job.Error     `json:"error,omitempty"`
	// PartialText is the output of the language model so far.
	PartialText string `json:"partial_text,omitempty"`
	// LastError is the error of the latest attempt of a job that has not ended.
	LastError *job.Error `json:"last_error,omitempty"`
	Links     Links      `json:"links"`
	// Webhook is where the WebhookEvents are sent, if there are any.
	Webhook       string      `json:"webhook,omitempty"`
	WebhookEvents []job.Event `json:"webhook_events,omitempty"`
	job.Labels

	waiting *job.Waiting
}

// Result is a job.Result with the URLs of its media.
type Result struct {
	Media []Media `json:"media"`
	Text  string  `json:"text,omitempty"`
	// Upstream is the provider that served, if there are several.
	Upstream string          `json:"upstream,omitempty"`
	Prompt   *job.PromptPair `json:"prompt,omitempty"`
	Missing  []job.Missing   `json:"missing,omitempty"`
}

// Media is a job.Media with its URL.
type Media struct {
	job.Media
	URL string `json:"url"`
}

// Links are the URLs of a job, relative to the server's root.
type Links struct {
	Self   string   `json:"self"`
	Events string   `json:"events"`
	Cancel string   `json:"cancel"`
	Media  []string `json:"media"`
}

// Path returns the URL path of the job with the given id.
func Path(id string) string { return "/api/jobs/" + id }

// Of returns the view of a job, without queue position and ETA.
func Of(s *job.Snapshot) *Job {
	spec := s.Spec
	self := Path(spec.ID)
	j := &Job{
		ID: spec.ID, Kind: spec.Kind, Status: s.Status(), CreatedAt: spec.CreatedAt, Deadline: spec.Deadline,
		MaxAttempts: spec.MaxAttempts, Input: spec.Input, RetriedFrom: spec.RetriedFrom, Labels: spec.Labels, BatchID: spec.Batch,
		Links: Links{Self: self, Events: self + "/events", Cancel: self + "/cancel", Media: []string{}},
	}
	if w := spec.Webhook; w != nil && len(w.Events) > 0 {
		j.Webhook, j.WebhookEvents = w.URL, w.Events
	}
	if s.Record != nil {
		j.setEnd(s.Record)
		return j
	}
	if p := s.Progress; p != nil {
		j.Stage, j.StartedAt, j.Attempt = p.Stage, p.StartedAt, p.Attempt
		j.NextAttemptAt, j.Progress = p.NextAttemptAt, p.Percent
		j.LastError, j.PartialText = p.LastError, p.PartialText
		if p.WaitingFor != "" {
			w := job.Waiting{Upstream: p.WaitingFor, Until: p.NextAttemptAt}
			switch {
			case p.WaitingFor == job.ReasonIdentical:
				w = job.Waiting{Reason: job.ReasonIdentical}
			case p.LastError != nil:
				w.Reason = p.LastError.Code
			}
			j.SetWaiting(w)
		}
		if len(p.Media) > 0 {
			j.setResult(&job.Result{Media: p.Media})
		}
	}
	return j
}

func (j *Job) setEnd(r *job.Record) {
	finished := r.FinishedAt
	j.StartedAt, j.FinishedAt, j.Attempt = r.StartedAt, &finished, r.Attempt
	j.Cancel, j.Cached, j.Error = r.Cancel, r.Cached, r.Error
	if r.Result != nil {
		j.setResult(r.Result)
	}
}

func (j *Job) setResult(r *job.Result) {
	view := &Result{Media: []Media{}, Text: r.Text, Upstream: r.Upstream, Prompt: r.Prompt, Missing: r.Missing}
	for _, m := range r.Media {
		url := j.Links.Self + "/media/" + strconv.Itoa(m.Index)
		view.Media = append(view.Media, Media{Media: m, URL: url})
		j.Links.Media = append(j.Links.Media, url)
	}
	j.Result, j.Usage = view, r.Usage
}
