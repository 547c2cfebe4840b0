package job

import "strconv"

// Job is a job as shown by the API: in responses, lists and events.
type Job struct {
	ID            string `json:"id"`
	Kind          Kind   `json:"kind"`
	Status        Status `json:"status"`
	Stage         Stage  `json:"stage,omitempty"`
	CreatedAt     Time   `json:"created_at"`
	StartedAt     *Time  `json:"started_at,omitempty"`
	FinishedAt    *Time  `json:"finished_at,omitempty"`
	Deadline      Time   `json:"deadline"`
	Attempt       int    `json:"attempt"`
	MaxAttempts   int    `json:"max_attempts"`
	NextAttemptAt *Time  `json:"next_attempt_at,omitempty"`
	// WaitingFor is a sentence, and WaitingReason its code.
	WaitingFor    string      `json:"waiting_for,omitempty"`
	WaitingReason string      `json:"waiting_reason,omitempty"`
	QueuePosition *int        `json:"queue_position,omitempty"`
	ETASeconds    *int        `json:"eta_seconds,omitempty"`
	Progress      *int        `json:"progress,omitempty"`
	Input         Input       `json:"input"`
	RetriedFrom   string      `json:"retried_from,omitempty"`
	Cancel        CancelKind  `json:"cancel,omitempty"`
	Result        *ResultView `json:"result,omitempty"`
	Usage         *Usage      `json:"usage,omitempty"`
	Error         *Error      `json:"error,omitempty"`
	// PartialText is the output of the language model so far.
	PartialText string `json:"partial_text,omitempty"`
	// LastError is the error of the latest attempt of a job that has not ended.
	LastError *Error `json:"last_error,omitempty"`
	Links     Links  `json:"links"`

	waiting *Waiting
}

// ResultView is a Result with the URLs of its media.
type ResultView struct {
	Media   []MediaView `json:"media"`
	Text    string      `json:"text,omitempty"`
	Prompt  *PromptPair `json:"prompt,omitempty"`
	Missing []Missing   `json:"missing,omitempty"`
}

// MediaView is a Media with its URL.
type MediaView struct {
	Media
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

// View returns the job as shown by the API, without queue position and ETA.
func (s *Snapshot) View() *Job {
	spec := s.Spec
	self := Path(spec.ID)
	j := &Job{
		ID: spec.ID, Kind: spec.Kind, Status: s.Status(), CreatedAt: spec.CreatedAt, Deadline: spec.Deadline,
		MaxAttempts: spec.MaxAttempts, Input: spec.Input, RetriedFrom: spec.RetriedFrom,
		Links: Links{Self: self, Events: self + "/events", Cancel: self + "/cancel", Media: []string{}},
	}
	if s.Record != nil {
		j.showEnd(s.Record)
		return j
	}
	if p := s.Progress; p != nil {
		j.Stage, j.StartedAt, j.Attempt = p.Stage, p.StartedAt, p.Attempt
		j.NextAttemptAt, j.Progress = p.NextAttemptAt, p.Percent
		j.LastError, j.PartialText = p.LastError, p.PartialText
		if p.WaitingFor != "" {
			w := Waiting{Upstream: p.WaitingFor, Until: p.NextAttemptAt}
			if p.LastError != nil {
				w.Reason = p.LastError.Code
			}
			j.Hold(w)
		}
		if len(p.Media) > 0 {
			j.showResult(&Result{Media: p.Media})
		}
	}
	return j
}

func (j *Job) showEnd(r *Record) {
	finished := r.FinishedAt
	j.StartedAt, j.FinishedAt, j.Attempt = r.StartedAt, &finished, r.Attempt
	j.Cancel, j.Error = r.Cancel, r.Error
	if r.Result != nil {
		j.showResult(r.Result)
	}
}

func (j *Job) showResult(r *Result) {
	view := &ResultView{Media: []MediaView{}, Text: r.Text, Prompt: r.Prompt, Missing: r.Missing}
	for _, m := range r.Media {
		url := j.Links.Self + "/media/" + strconv.Itoa(m.Index)
		view.Media = append(view.Media, MediaView{Media: m, URL: url})
		j.Links.Media = append(j.Links.Media, url)
	}
	j.Result, j.Usage = view, r.Usage
}
