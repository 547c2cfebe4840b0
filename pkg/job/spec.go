package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	// It decodes as encoding/json does, in half the time and with a third of the allocations.
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// Version is the version of all stored formats that this program writes, except those of jobs with stored reference images.
const Version = 1

// versionReferences is the version of jobs with stored reference images, and of their dead letters. Programs that do not know these
// would send the upstream something that is no URL, so they must leave such jobs alone.
const versionReferences = 2

// ErrNewer is returned for a stored value that a newer version wrote. It must be left to that version: a job is returned to the
// queue and never failed.
var ErrNewer = errors.New("written by a newer version")

// Spec is a job as accepted, which is the message in the queue. It never changes.
type Spec struct {
	V           int    `json:"v"`
	ID          string `json:"id"`
	Kind        Kind   `json:"kind"`
	Lane        Lane   `json:"lane"`
	Owner       string `json:"owner"`
	Input       Input  `json:"input"`
	CreatedAt   Time   `json:"created_at"`
	Deadline    Time   `json:"deadline"`
	MaxAttempts int    `json:"max_attempts"`
	// Fingerprint identifies the request as received, before defaults and the seed were filled in.
	Fingerprint string `json:"fingerprint"`
	RetriedFrom string `json:"retried_from,omitempty"`
	// RequestID is the id of the HTTP request that submitted the job; the logs of workers have it too.
	RequestID string `json:"request_id,omitempty"`
	// APIKey is the ID of the API key with which the job was submitted, if any.
	APIKey string `json:"api_key,omitempty"`
	// Batch is the id of the batch that the job was submitted with, if any.
	Batch string `json:"batch,omitempty"`
	// Charge is nil if the job was not charged.
	Charge *Charge `json:"charge,omitempty"`
	// Spending is nil if what the job costs is not counted: it is not of a member, or an older version submitted it.
	Spending *Spending `json:"spending,omitempty"`
	// DeferredCharge is set instead of Charge if an identical job was under way, whose result the job will probably have. It is charged
	// at the end if the job made the upstream calls itself nevertheless. Versions that do not know it charge nothing.
	DeferredCharge *Charge `json:"deferred_charge,omitempty"`
	// Webhook is nil if nobody is notified of the job.
	Webhook *Webhook `json:"webhook,omitempty"`
	// References are the stored reference images of the input, copied for the job so that they exist as long as it does.
	References []ReferenceImage `json:"references,omitempty"`
	// CacheKey identifies the requests of the owner that may have the same result; empty if the job must have one of its own.
	CacheKey string `json:"cache_key,omitempty"`
	Labels
}

// version returns the version of the stored form.
func (s *Spec) version() int {
	if len(s.References) > 0 {
		return versionReferences
	}
	return Version
}

// Expired reports whether the job's deadline has passed.
func (s *Spec) Expired(now time.Time) bool { return !now.Before(s.Deadline.Time) }

// SameSubmission reports whether two specs with the same id come from the same HTTP request, and not from repeated ones.
func (s *Spec) SameSubmission(other *Spec) bool {
	return s.RequestID != "" && s.RequestID == other.RequestID && s.CreatedAt.Equal(other.CreatedAt.Time)
}

// Encode returns the stored form.
func (s *Spec) Encode() ([]byte, error) {
	s.V = s.version()
	return encode("job", s)
}

// DecodeSpec decodes a stored job. It fails with ErrNewer when a newer version wrote it.
func DecodeSpec(b []byte) (*Spec, error) {
	s, err := decode[Spec]("job", b, versionReferences)
	if err != nil {
		return nil, err
	}
	if !ValidToken(s.ID) || !ValidToken(s.Owner) || !s.Lane.Valid() || s.Input == nil {
		return nil, errors.New("decode job: incomplete")
	}
	return s, nil
}

// DecodeDeadline decodes only the deadline of a stored job, at a fraction of the cost. It fails with ErrNewer when a newer version
// wrote it.
func DecodeDeadline(b []byte) (Time, error) {
	var s struct {
		V        int  `json:"v"`
		Deadline Time `json:"deadline"`
	}
	err := jsonv1.Unmarshal(b, &s)
	switch {
	case s.V > versionReferences:
		return Time{}, fmt.Errorf("decode deadline: %w", ErrNewer)
	case err != nil:
		return Time{}, fmt.Errorf("decode deadline: %w", err)
	case s.Deadline.IsZero():
		return Time{}, errors.New("decode deadline: there is none")
	}
	return s.Deadline, nil
}

// UnmarshalJSON decodes a spec; its kind determines the type of its input.
func (s *Spec) UnmarshalJSON(b []byte) error {
	type plain Spec
	aux := struct {
		*plain
		Input json.RawMessage `json:"input"`
	}{plain: (*plain)(s)}
	if err := jsonv1.Unmarshal(b, &aux); err != nil {
		return fmt.Errorf("decode spec: %w", err)
	}
	in, err := decodeInput(s.Kind, aux.Input)
	if err != nil {
		return err
	}
	s.Input = in
	for _, r := range s.References {
		if r.Bytes <= 0 || r.ChunkBytes <= 0 || len(r.SHA256) != hex.EncodedLen(sha256.Size) {
			return errors.New("decode spec: incomplete reference image")
		}
	}
	return nil
}

// Fingerprint returns a hash of the content of a request; the order and spacing of its JSON do not matter. It must be computed
// before Complete, since the random seed differs each time.
func Fingerprint(kind Kind, in Input, deadlineSeconds *int) (string, error) {
	return fingerprint(struct {
		Kind     Kind  `json:"kind"`
		Input    Input `json:"input"`
		Deadline *int  `json:"deadline_seconds,omitempty"`
	}{kind, in, deadlineSeconds})
}

func fingerprint(request any) (string, error) {
	b, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// encode returns the stored form of v; name is its name in errors.
func encode(name string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return b, nil
}

// decode decodes a stored value of up to a version. It fails with ErrNewer when a newer version wrote it.
func decode[T any](name string, b []byte, version int) (*T, error) {
	v := new(T)
	err := checkVersion(b, version)
	if u, ok := any(v).(json.Unmarshaler); err == nil && ok {
		// It reads all of b anyway; by Unmarshal it would be read once more before.
		err = u.UnmarshalJSON(b)
	} else if err == nil {
		err = jsonv1.Unmarshal(b, v)
	}
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	return v, nil
}

func checkVersion(b []byte, version int) error {
	if bytes.HasPrefix(b, []byte(`{"v":1,`)) {
		return nil // As this version encodes it.
	}
	var head struct {
		V int `json:"v"`
	}
	if err := jsonv1.Unmarshal(b, &head); err != nil {
		return err
	}
	switch {
	case head.V > version:
		return ErrNewer
	case head.V < 1:
		return errors.New("no version")
	}
	return nil
}
