package webhook

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// maxDisabled bounds the disabled URLs that are remembered, of which the oldest is forgotten first.
const maxDisabled = 100

// settings are those of an owner, as they are stored.
type settings struct {
	V        int         `json:"v"`
	URL      string      `json:"url,omitempty"`
	Events   []job.Event `json:"events"`
	Disabled []Disabled  `json:"disabled,omitempty"`
	// Generation numbers the secrets, and RotatedAt is when the one before this was replaced.
	Generation int       `json:"generation"`
	RotatedAt  *job.Time `json:"rotated_at,omitempty"`
}

// Disabled is a URL that has answered 410 and gets nothing any more.
type Disabled struct {
	URL   string   `json:"url"`
	Since job.Time `json:"since"`
}

// Endpoint is where the events of an account are sent.
type Endpoint struct {
	// URL is for jobs that name none themselves; empty if there is none.
	URL    string
	Events []job.Event
	// Disabled are the URLs, of the account or of single jobs, that nothing is sent to.
	Disabled []Disabled
}

// Secret is the secret of an owner.
type Secret struct {
	Secret string
	// PreviousUntil is until when the secret before this also signs; nil if none does.
	PreviousUntil *job.Time
}

func (s *Service) read(ctx context.Context, owner string) (*settings, error) {
	return found(s.settings.Get(ctx, broker.WebhookSettingsSubject(owner)))
}

func found(e kv.Entry[settings], err error) (*settings, error) {
	if errors.Is(err, kv.ErrNotFound) {
		return &settings{}, nil
	}
	return &e.Value, err
}

func (s *Service) change(ctx context.Context, owner string, edit func(*settings) error) (*settings, error) {
	e, err := s.settings.Change(ctx, broker.WebhookSettingsSubject(owner), func(e *kv.Entry[settings]) error {
		e.Value.V = job.Version
		return edit(&e.Value)
	})
	return &e.Value, err
}

// Endpoint returns where the events of an account are sent. It costs one request.
func (s *Service) Endpoint(ctx context.Context, owner string) (*Endpoint, error) {
	set, err := s.read(ctx, owner)
	if err != nil {
		return nil, err
	}
	return &Endpoint{set.URL, set.Events, set.Disabled}, nil
}

// SetEndpoint sets the URL for the jobs of an account that name none themselves; empty removes it. The URL must have passed
// CheckURL. If it is disabled, it no longer is. It costs a read and one acknowledged publish.
func (s *Service) SetEndpoint(ctx context.Context, owner, url string, events []job.Event) (*Endpoint, error) {
	set, err := s.change(ctx, owner, func(set *settings) error {
		if set.URL, set.Events = url, events; url == "" {
			set.Events = nil
		}
		set.enable(url)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Endpoint{set.URL, set.Events, set.Disabled}, nil
}

// Default returns the webhook of the jobs of an account that name none themselves, or nil. It costs at most one request; what
// another process has changed may go unnoticed for a second where NATS runs in this one.
func (s *Service) Default(ctx context.Context, owner string) (*job.Webhook, error) {
	set, err := found(s.settings.GetRecent(ctx, broker.WebhookSettingsSubject(owner)))
	if err != nil || set.URL == "" {
		return nil, err
	}
	return &job.Webhook{URL: set.URL, Events: set.Events, Default: true}, nil
}

// Secret returns the secret of an owner. It costs one request.
func (s *Service) Secret(ctx context.Context, owner string) (*Secret, error) {
	set, err := s.read(ctx, owner)
	if err != nil {
		return nil, err
	}
	return s.secretOf(owner, set), nil
}

// Rotate replaces the secret of an owner and returns the new one. The one before it still signs for a day, but none that is older.
func (s *Service) Rotate(ctx context.Context, owner string) (*Secret, error) {
	set, err := s.change(ctx, owner, func(set *settings) error {
		set.Generation++
		set.RotatedAt = job.AtPtr(s.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s.secretOf(owner, set), nil
}

func (s *Service) secretOf(owner string, set *settings) *Secret {
	secret := &Secret{Secret: formatSecret(signingKey(s.secret, owner, set.Generation))}
	if until, ok := set.previousUntil(s.now()); ok {
		secret.PreviousUntil = job.AtPtr(until)
	}
	return secret
}

// keys returns the keys that sign, the current one first.
func (s *Service) keys(owner string, set *settings) [][]byte {
	keys := [][]byte{signingKey(s.secret, owner, set.Generation)}
	if _, ok := set.previousUntil(s.now()); ok {
		keys = append(keys, signingKey(s.secret, owner, set.Generation-1))
	}
	return keys
}

// previousUntil returns until when the previous secret signs, and whether it does now.
func (s *settings) previousUntil(now time.Time) (time.Time, bool) {
	if s.RotatedAt == nil {
		return time.Time{}, false
	}
	until := s.RotatedAt.Add(rotationGrace)
	return until, now.Before(until)
}

// disable stores that a URL has answered 410.
func (s *Service) disable(ctx context.Context, owner, url string) error {
	_, err := s.change(ctx, owner, func(set *settings) error {
		if set.disabled(url) {
			return kv.ErrUnchanged
		}
		set.Disabled = append(set.Disabled, Disabled{URL: url, Since: job.At(s.now())})
		set.Disabled = set.Disabled[max(0, len(set.Disabled)-maxDisabled):]
		return nil
	})
	return err
}

// enable stores that a disabled URL works again.
func (s *Service) enable(ctx context.Context, owner, url string) error {
	_, err := s.change(ctx, owner, func(set *settings) error {
		if !set.disabled(url) {
			return kv.ErrUnchanged
		}
		set.enable(url)
		return nil
	})
	return err
}

func (s *settings) disabled(url string) bool {
	return slices.ContainsFunc(s.Disabled, func(d Disabled) bool { return d.URL == url })
}

func (s *settings) enable(url string) {
	s.Disabled = slices.DeleteFunc(s.Disabled, func(d Disabled) bool { return d.URL == url })
}
