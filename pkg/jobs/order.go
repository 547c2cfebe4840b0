package jobs

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Caller is who submits a job.
type Caller struct {
	// Owner is the owner of the job; job.OwnerAnonymous for a caller without an identity.
	Owner string
	Lane  job.Lane
	// Address is the network address by which guests are counted.
	Address string
	// Key is the API key of a member, or nil.
	Key *CallerKey
	// Budget is the budget that the account of a member has set.
	Budget job.Budget
	// OnGone calls a function when the caller disconnects, which ends a submission that is not charged yet, unless stop is called
	// before. It may be nil.
	OnGone func(func()) (stop func() bool)
}

// CallerKey is an API key of a caller, with its limits; 0 means none. Those of the member apply too.
type CallerKey struct {
	ID string
	// PerMinute and PerDay are the limits of images and audio files, from which those of texts follow.
	PerMinute, PerDay int
	// MaxActive bounds the jobs of the key that are queued or running.
	MaxActive int
	Budget    job.Budget
}

// Order is a valid request for a job, completed with defaults. Use NewOrder or NewRetry to create one.
type Order struct {
	Kind  job.Kind
	Input job.Input
	// Key is the idempotency key: Submit returns the job of the first order of the same caller with the same key. Empty means
	// no key.
	Key string

	// fingerprint identifies the request as received, since the random seed that completes it differs each time.
	fingerprint string
	allowance   time.Duration
	retriedFrom string
	webhook     *job.Webhook
	labels      job.Labels
	// estimate is what the job is expected to use.
	estimate job.Estimate
	// references are the stored reference images of the input, and missing the faults of those that cannot be used.
	references []store.Reference
	missing    []job.FieldError
	// repeatable is set if the job may have the result of an identical one.
	repeatable bool

	id      string
	created time.Time
}

// SetRoute distinguishes the request from an equal one by another route, for keys and for FindRepeated.
func (o *Order) SetRoute(name string) {
	sum := sha256.Sum256([]byte(name + " " + o.fingerprint))
	o.fingerprint = hex.EncodeToString(sum[:])
}

// InvalidError lists what is wrong with an input, with pointers relative to it.
type InvalidError struct{ Faults []job.FieldError }

// Error returns the first fault.
func (e *InvalidError) Error() string { return fmt.Sprintf("invalid input: %v", e.Faults[0]) }

// NewOrder completes the input and returns the order of a job of a kind. A nil deadlineSeconds selects the default of the kind.
// It fails with an *InvalidError when the completed input is invalid for the given models, which includes requests that a
// default model does not support.
func (s *Submitter) NewOrder(kind job.Kind, in job.Input, deadlineSeconds *int, models *job.Catalogue) (*Order, error) {
	fingerprint, err := job.Fingerprint(kind, in, deadlineSeconds)
	if err != nil {
		return nil, err
	}
	repeatable := job.Repeatable(in)
	in.Complete(s.defaults, models)
	if faults := in.Validate(models); len(faults) > 0 {
		return nil, &InvalidError{Faults: faults}
	}
	return &Order{
		Kind: kind, Input: in, fingerprint: fingerprint, allowance: allowance(deadlineSeconds, job.DefaultDeadline(kind)),
		repeatable: repeatable,
		estimate:   in.Estimate(models),
	}, nil
}

// RequestWebhook sets the webhook that the request names. It is a part of the request: with another one, an idempotency key must
// be another one too. Without a url, the events are sent to that of the account; nil events are those of the end of the job, and an
// empty list is none.
func (o *Order) RequestWebhook(url string, events []job.Event) error {
	fingerprint, err := job.WebhookFingerprint(o.fingerprint, url, events)
	if err != nil {
		return err
	}
	if events == nil {
		events = job.EndEvents()
	}
	o.fingerprint, o.webhook = fingerprint, &job.Webhook{URL: url, Events: events}
	return nil
}

// SetLabels attaches valid labels to the job. They are a part of the request: with others, an idempotency key must be another one too.
func (o *Order) SetLabels(l job.Labels) error {
	if l.Empty() {
		return nil
	}
	fingerprint, err := job.LabelsFingerprint(o.fingerprint, l)
	if err != nil {
		return err
	}
	o.fingerprint, o.labels = fingerprint, l
	return nil
}

// WantsDefaultWebhook reports whether the events of the job are sent to the URL of the account, if that has one.
func (o *Order) WantsDefaultWebhook() bool {
	return o.webhook == nil || (o.webhook.URL == "" && len(o.webhook.Events) > 0)
}

// SetDefaultWebhook sets the webhook of the account; nil if there is none.
func (o *Order) SetDefaultWebhook(w *job.Webhook) {
	if w != nil && o.webhook != nil {
		w = &job.Webhook{URL: w.URL, Events: o.webhook.Events, Default: true}
	}
	o.webhook = w
}

// Retry is a request to retry a job.
type Retry struct {
	// ID is the id of the job to retry.
	ID string
	// Seed replaces the seed of an image; nil keeps it.
	Seed *int64
	// DeadlineSeconds replaces the time from the submission to the deadline; nil keeps it.
	DeadlineSeconds *int
}

func (r Retry) fingerprint() (string, error) {
	return job.RetryFingerprint(r.ID, r.Seed, r.DeadlineSeconds)
}

// NewRetry returns the order of a job with the same request as the job of, changed by r. It fails with an *InvalidError when the
// request is no longer valid for the models, since the job would only fail again.
func (s *Submitter) NewRetry(of *job.Spec, r Retry, models *job.Catalogue) (*Order, error) {
	fingerprint, err := r.fingerprint()
	if err != nil {
		return nil, err
	}
	in := of.Input.Clone()
	if image, ok := in.(*job.ImageInput); ok && r.Seed != nil {
		image.Seed = r.Seed
	}
	if faults := in.Validate(models); len(faults) > 0 {
		return nil, &InvalidError{Faults: faults}
	}
	in.Complete(s.defaults, models)
	o := &Order{
		Kind: of.Kind, Input: in, fingerprint: fingerprint, allowance: allowance(r.DeadlineSeconds, of.Allowance()), retriedFrom: of.ID,
		labels: of.Labels, references: s.jobs.store.JobReferences(of), estimate: in.Estimate(models),
	}
	if of.Webhook != nil && !of.Webhook.Default {
		o.webhook = of.Webhook
	}
	return o, nil
}

func allowance(seconds *int, fallback time.Duration) time.Duration {
	if seconds == nil {
		return fallback
	}
	return time.Duration(*seconds) * time.Second
}

// Identify assigns the order's job an id, derived from the key if there is one, and returns it. Submit calls it too; callers
// that log the id call it before. It fails only when the system has no random numbers.
func (s *Submitter) Identify(caller Caller, o *Order) (id string, err error) {
	if o.id != "" {
		return o.id, nil
	}
	if o.id, o.created, err = NewID(); err != nil {
		return "", err
	}
	if o.Key != "" {
		o.id = s.names.keyedID(caller, o.Key)
	}
	return o.id, nil
}

// spec returns the spec of the order's job.
func (s *Submitter) spec(caller Caller, o *Order, requestID string) (*job.Spec, error) {
	id, err := s.Identify(caller, o)
	if err != nil {
		return nil, err
	}
	spec := &job.Spec{
		ID: id, Kind: o.Kind, Lane: caller.Lane, Owner: caller.Owner, Input: o.Input,
		CreatedAt: job.At(o.created), Deadline: job.At(o.created.Add(o.allowance)), MaxAttempts: s.cfg.MaxAttempts,
		Fingerprint: o.fingerprint, RetriedFrom: o.retriedFrom, RequestID: requestID,
		Webhook: o.webhook, Labels: o.labels,
	}
	if caller.Lane == job.LaneMember {
		spec.Spending = &job.Spending{}
		spec.Spending.Amount, _ = s.expectedCost(o.estimate)
	}
	if caller.Key != nil {
		spec.APIKey = caller.Key.ID
	}
	spec.CacheKey, err = s.cacheKey(caller, o)
	return spec, err
}
