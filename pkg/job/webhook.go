package job

import "slices"

// Event is a change of a job that a webhook can be notified of.
type Event string

// The events of jobs.
const (
	EventStarted   Event = "job.started"
	EventSucceeded Event = "job.succeeded"
	EventFailed    Event = "job.failed"
	EventCanceled  Event = "job.canceled"
)

// Events returns all events, in the order in which they are documented.
func Events() []Event { return []Event{EventStarted, EventSucceeded, EventFailed, EventCanceled} }

// EndEvents returns the events of the end of a job, of which webhooks are notified by default.
func EndEvents() []Event { return []Event{EventSucceeded, EventFailed, EventCanceled} }

// Valid reports whether e is a known event.
func (e Event) Valid() bool { return slices.Contains(Events(), e) }

// EndEvent returns the event of the end of a job with a terminal status.
func EndEvent(s Status) Event { return Event("job." + string(s)) }

// WebhookFingerprint returns the fingerprint of a request that names a webhook, given that of the rest of the request.
func WebhookFingerprint(rest, url string, events []Event) (string, error) {
	return fingerprint(struct {
		Rest   string  `json:"rest"`
		URL    string  `json:"webhook,omitempty"`
		Events []Event `json:"webhook_events"`
	}{rest, url, events})
}

// Webhook is where a job sends its events. It is chosen when the job is submitted.
type Webhook struct {
	URL    string  `json:"url"`
	Events []Event `json:"events"`
	// Default reports that the URL is that of the account, so that a retry uses the one that the account has then.
	Default bool `json:"default,omitempty"`
}

// Wants reports whether an event is to be sent. It is false for nil.
func (w *Webhook) Wants(e Event) bool { return w != nil && slices.Contains(w.Events, e) }
