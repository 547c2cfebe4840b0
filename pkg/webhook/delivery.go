package webhook

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// EventPing is the event of a delivery that only tests a URL.
const EventPing job.Event = "webhook.ping"

// State is the state of a delivery.
type State string

// The states of a delivery.
const (
	// StatePending is that of a delivery with another attempt to come.
	StatePending   State = "pending"
	StateDelivered State = "delivered"
	// StateFailed is that of a delivery whose last attempt has failed.
	StateFailed State = "failed"
	// StateDisabled is that of a delivery to a URL that has answered 410.
	StateDisabled State = "disabled"
)

// Failure is why an attempt has failed.
type Failure string

// The failures. Details, such as the text of an error, could show what is behind a URL to someone who has no access to it.
const (
	FailureNone Failure = ""
	// FailureStatus is a response whose status is not 2xx, of which FailureRedirect is a 3xx.
	FailureStatus   Failure = "status"
	FailureRedirect Failure = "redirect"
	FailureTimeout  Failure = "timeout"
	// FailureAddress is a URL whose host has an address, or a port, that is not allowed.
	FailureAddress    Failure = "address_not_allowed"
	FailureDNS        Failure = "dns"
	FailureTLS        Failure = "tls"
	FailureConnection Failure = "connection"
)

// Delivery is the delivery of one event to one URL, as it is stored.
type Delivery struct {
	V     int       `json:"v"`
	ID    string    `json:"id"`
	Owner string    `json:"owner"`
	Event job.Event `json:"event"`
	JobID string    `json:"job_id,omitempty"`
	URL   string    `json:"url"`
	// At is when the event happened.
	At    job.Time `json:"at"`
	State State    `json:"state"`
	// Attempts counts all attempts, and Tries those since the delivery was last requested, by which the next is scheduled.
	Attempts      int       `json:"attempts"`
	Tries         int       `json:"tries"`
	NextAttemptAt *job.Time `json:"next_attempt_at,omitempty"`
	LastAttemptAt *job.Time `json:"last_attempt_at,omitempty"`
	LastStatus    int       `json:"last_status,omitempty"`
	LastFailure   Failure   `json:"last_failure,omitempty"`
	// Body is what is sent. It is the same in all attempts. Until the first one it is empty and made of Job.
	Body json.RawMessage `json:"body,omitempty"`
	// Job is the job at the time of the event; nil for a ping, and once Body is set.
	Job *Job `json:"job,omitempty"`
}

// Job is the stored state of a job.
type Job struct {
	Spec     *job.Spec     `json:"spec,omitempty"`
	Progress *job.Progress `json:"progress,omitempty"`
	// Record contains its own spec.
	Record *job.Record `json:"record,omitempty"`
}

// Snapshot returns the job in the form that views are made of.
func (j *Job) Snapshot() *job.Snapshot {
	if j.Record != nil {
		return &job.Snapshot{Spec: j.Record.Spec, Record: j.Record}
	}
	return &job.Snapshot{Spec: j.Spec, Progress: j.Progress}
}

// ended returns the delivery of the end of a job.
func ended(r *job.Record) *Delivery {
	return newDelivery(r.Spec, job.EndEvent(r.Status), r.FinishedAt, r.FinishedAt, &Job{Record: r})
}

// started returns the delivery of the start of a job.
func started(spec *job.Spec, p *job.Progress) *Delivery {
	at := spec.CreatedAt
	if p.StartedAt != nil {
		at = *p.StartedAt
	}
	// The start is stored in memory only and may be lost; the submission is not, so that the id stays the same.
	return newDelivery(spec, job.EventStarted, spec.CreatedAt, at, &Job{Spec: spec, Progress: p})
}

func newDelivery(spec *job.Spec, event job.Event, dated, at job.Time, of *Job) *Delivery {
	created := strconv.FormatInt(spec.CreatedAt.UnixMilli(), 10) // The id of a deleted job may be used again.
	return &Delivery{
		V: job.Version, ID: newID(dated.Time, spec.Owner, spec.ID, created, string(event)), Owner: spec.Owner, Event: event,
		JobID: spec.ID, URL: spec.Webhook.URL, At: at, State: StatePending, Job: of,
	}
}

// newID returns a UUID that begins with a time, so that ids sort by it, and is otherwise a hash of what the delivery is about.
func newID(at time.Time, parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		_, _ = hash.Write([]byte(part))
		_, _ = hash.Write([]byte{0})
	}
	id := uuid.UUID(hash.Sum(nil)[:16])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(0, at.UnixMilli())))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x80 // Version 8: custom.
	id[8] = id[8]&0x3f | 0x80 // The variant of RFC 9562.
	return id.String()
}

// check rejects an incomplete delivery, and with job.ErrNewer one of a newer version of the program.
func (d *Delivery) check() error {
	if err := kv.CheckVersion(d.V); err != nil {
		return err
	}
	if d.V < 1 || !job.ValidToken(d.ID) || !job.ValidToken(d.Owner) || d.URL == "" || d.State == "" {
		return errors.New("incomplete")
	}
	if d.Job != nil && d.Job.Snapshot().Spec == nil {
		return errors.New("no job")
	}
	return nil
}

// host returns the host of the URL, which may be logged, unlike the path and the query, which may have a secret.
func (d *Delivery) host() string {
	u, err := url.Parse(d.URL)
	if err != nil {
		return ""
	}
	return u.Host
}

// render makes the body, of data as the API shows the job.
func (d *Delivery) render(view func(*job.Snapshot) any) error {
	if len(d.Body) > 0 {
		return nil
	}
	payload := struct {
		Type      job.Event `json:"type"`
		Timestamp job.Time  `json:"timestamp"`
		Data      any       `json:"data"`
	}{d.Event, d.At, struct{}{}}
	if d.Job != nil {
		payload.Data = view(d.Job.Snapshot())
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	d.Body, d.Job = body, nil
	return nil
}
