package jobs

import (
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Caller is who submits a job.
type Caller struct {
	// Owner is whom the job belongs to; job.OwnerAnonymous when nothing tells callers apart.
	Owner string
	Lane  job.Lane
	// Address tells one household from the next. Guests are counted by it.
	Address string
	// Gone is closed when the caller no longer waits for an answer; nil means that this is not known. A submission that has
	// taken nothing of the quota yet ends then.
	Gone <-chan struct{}
}

// Order is a valid request for a job, completed with defaults. NewOrder and NewRetry make it.
type Order struct {
	Kind  job.Kind
	Input job.Input
	// Key is the caller's idempotency key: a later order of the same caller under the same key is answered with the job of
	// the first. Empty means that the order is not repeated.
	Key string

	// fingerprint is of the request as it was received: with a random seed in it no request would be like another.
	fingerprint string
	allowance   time.Duration
	retriedFrom string

	id      string
	created time.Time
}

// InvalidError lists what is wrong with an input, with pointers relative to it.
type InvalidError struct{ Faults []job.FieldError }

// Error returns the first fault.
func (e *InvalidError) Error() string { return fmt.Sprintf("invalid input: %v", e.Faults[0]) }

// NewOrder returns the order for a job of a kind, and completes the input. deadlineSeconds is nil for the default of the
// kind. It fails with an *InvalidError when the input is invalid for the given models once it is complete: what a default
// model cannot do is a fault as well.
func (s *Submitter) NewOrder(kind job.Kind, in job.Input, deadlineSeconds *int, models *job.Catalogue) (*Order, error) {
	fingerprint, err := job.Fingerprint(kind, in, deadlineSeconds)
	if err != nil {
		return nil, err
	}
	in.Complete(s.defaults, models)
	if faults := in.Validate(models); len(faults) > 0 {
		return nil, &InvalidError{Faults: faults}
	}
	return &Order{
		Kind: kind, Input: in, fingerprint: fingerprint, allowance: allowance(deadlineSeconds, job.DefaultDeadline(kind)),
	}, nil
}

// Retry is a request to do a job again.
type Retry struct {
	// ID is of the job that failed or was canceled.
	ID string
	// Seed replaces the seed of an image; nil keeps it.
	Seed *int64
	// DeadlineSeconds replaces the time that the job has; nil keeps it.
	DeadlineSeconds *int
}

func (r Retry) fingerprint() (string, error) {
	return job.RetryFingerprint(r.ID, r.Seed, r.DeadlineSeconds)
}

// NewRetry returns the order that asks for the same as the job of a retry. It fails with an *InvalidError when the models no
// longer allow that, since the job would only fail again.
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
	return &Order{
		Kind: of.Kind, Input: in, fingerprint: fingerprint, allowance: allowance(r.DeadlineSeconds, of.Allowance()), retriedFrom: of.ID,
	}, nil
}

func allowance(seconds *int, usual time.Duration) time.Duration {
	if seconds == nil {
		return usual
	}
	return time.Duration(*seconds) * time.Second
}

// Identify gives the order's job its id, which follows from the key if there is one. Submit does it for an order that has no
// id yet; whoever wants to log the id calls it before. It fails only when the system has no random numbers.
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

// spec returns the job of an order.
func (s *Submitter) spec(caller Caller, o *Order, requestID string) (*job.Spec, error) {
	id, err := s.Identify(caller, o)
	if err != nil {
		return nil, err
	}
	return &job.Spec{
		ID: id, Kind: o.Kind, Lane: caller.Lane, Owner: caller.Owner, Input: o.Input,
		CreatedAt: job.At(o.created), Deadline: job.At(o.created.Add(o.allowance)), MaxAttempts: s.cfg.MaxAttempts,
		Fingerprint: o.fingerprint, RetriedFrom: o.retriedFrom, RequestID: requestID,
	}, nil
}
