package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var (
	// ErrNotFound is returned for a delivery that does not exist, has expired or belongs to another owner.
	ErrNotFound = errors.New("no such delivery")
	// ErrNoURL is returned by Ping for an owner without a URL.
	ErrNoURL = errors.New("there is no URL to send to")
)

// Service holds the settings and the deliveries of webhooks.
type Service struct {
	js         jetstream.JetStream
	stream     jetstream.Stream
	settings   *kv.Bucket[settings]
	deliveries *kv.Bucket[Delivery]
	guard      *guard
	// secret is that of the installation.
	secret []byte
	now    func() time.Time
}

// New returns the webhooks stored in a broker. secret is JWT_SECRET. It costs two requests.
func New(ctx context.Context, b *broker.Broker, cfg Config, secret []byte) (*Service, error) {
	networks, err := cfg.networks()
	if err != nil {
		return nil, fmt.Errorf("open webhooks: %w", err)
	}
	js := b.JetStream()
	users, err := js.Stream(ctx, broker.UsersStream)
	if err != nil {
		return nil, fmt.Errorf("open webhooks: %w", err)
	}
	stream, err := js.Stream(ctx, broker.WebhooksStream)
	if err != nil {
		return nil, fmt.Errorf("open webhooks: %w", err)
	}
	return &Service{
		js: js, stream: stream, guard: &guard{allowed: networks}, secret: secret, now: time.Now,
		settings: kv.New(js, users, kv.Config[settings]{
			Name: "settings of webhooks", Check: func(s *settings) error { return kv.CheckVersion(s.V) },
		}),
		deliveries: kv.New(js, stream, kv.Config[Delivery]{Name: "delivery", Check: (*Delivery).check}),
	}, nil
}

// CheckURL reports whether events can be sent to a URL, as far as that shows without resolving its host: every attempt checks
// the address that it connects to.
func (s *Service) CheckURL(raw string) bool { return s.guard.checkURL(raw) }

// Ping stores a delivery that tests a URL, or the one of the owner if url is empty, in one attempt. It fails with ErrNoURL, and
// costs a request and one acknowledged publish.
func (s *Service) Ping(ctx context.Context, owner, url string) (*Delivery, error) {
	if url == "" {
		e, err := s.read(ctx, owner)
		if err != nil {
			return nil, err
		}
		if url = e.URL; url == "" {
			return nil, ErrNoURL
		}
	}
	now := s.now()
	d := &Delivery{
		V: job.Version, ID: newID(now, owner, "ping", rand.Text()), Owner: owner, Event: EventPing, URL: url, At: job.At(now), State: StatePending,
	}
	_, err := s.deliveries.Create(ctx, broker.WebhookSubject(owner, d.ID), *d)
	return d, err
}

// Redeliver makes a delivery due again, whatever its state, with the same id and all attempts before it, and returns it. It fails
// with ErrNotFound and costs a read and one acknowledged publish.
func (s *Service) Redeliver(ctx context.Context, owner, id string) (*Delivery, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	e, err := s.deliveries.Change(ctx, broker.WebhookSubject(owner, id), func(e *kv.Entry[Delivery]) error {
		if !e.Exists {
			return ErrNotFound
		}
		e.Value.restart(s.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &e.Value, nil
}

// List returns up to limit deliveries of an owner, the newest event first, that follow the one with the id after, or the newest
// if that is empty. more reports whether others follow. It costs one request, and one for each hundred deliveries that are read.
func (s *Service) List(ctx context.Context, owner, after string, limit int) (list []*Delivery, more bool, err error) {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(broker.OwnerWebhooksSubject(owner)))
	if err != nil {
		return nil, false, fmt.Errorf("list deliveries of owner: %w", err)
	}
	var ids []string
	for subject := range info.State.Subjects {
		if id := subject[strings.LastIndexByte(subject, '.')+1:]; after == "" || id < after {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return strings.Compare(b, a) })
	const readAtOnce = 100
	for part := range slices.Chunk(ids, readAtOnce) {
		patterns := make([]string, len(part))
		for i, id := range part {
			patterns[i] = broker.WebhookSubject(owner, id)
		}
		entries, err := s.deliveries.List(ctx, patterns...)
		if err != nil {
			return nil, false, err
		}
		slices.SortFunc(entries, func(a, b kv.Entry[Delivery]) int { return strings.Compare(b.Key, a.Key) })
		for _, e := range entries {
			switch {
			case errors.Is(e.Err, kv.ErrNewer):
				continue
			case e.Err != nil:
				return nil, false, e.Err
			case len(list) == limit:
				return list, true, nil
			}
			list = append(list, &e.Value)
		}
	}
	return list, false, nil
}

// Erase removes the settings and deliveries of an owner. It is idempotent and costs two requests.
func (s *Service) Erase(ctx context.Context, owner string) error {
	return errors.Join(
		s.settings.Purge(ctx, broker.WebhookSettingsSubject(owner)),
		s.deliveries.Purge(ctx, broker.OwnerWebhooksSubject(owner)),
	)
}
