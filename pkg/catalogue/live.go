package catalogue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// readInterval is how long the catalogue is used before it is read again.
	readInterval = 5 * time.Second
	// readTimeout bounds one read.
	readTimeout = time.Second
	// knownTimeout bounds how long callers wait for a read while they can use an earlier catalogue.
	knownTimeout = 100 * time.Millisecond
	// maxAge is how long the upstream's lists are used if they are not updated.
	maxAge = 24 * time.Hour
)

// ErrChanged is returned by Publish when another worker has published concurrently.
var ErrChanged = errors.New("another worker has published the catalogue")

// Live is the catalogue that workers update from the upstream's lists. While there is none, or it is older than a day, the
// built-in catalogue is used.
type Live struct {
	lists *kv.Bucket[job.Catalogue]
	log   *slog.Logger
	now   func() time.Time

	// mu is never held during a request.
	mu       sync.Mutex
	revision uint64
	current  *job.Catalogue
	// read is when the store was last read, whatever the outcome.
	read time.Time
	// outdated reports that current differs from the stored catalogue: nothing was read yet, or another worker has published.
	outdated bool
	// reading is the read in flight, nil when there is none.
	reading *reading
	// epoch counts the publications of this process. The result of a read that began before one is dropped.
	epoch int
}

// reading is one read of the stored catalogue, shared by all callers that wait for it.
type reading struct {
	// done is closed when the read ends, and slow when callers stop waiting for it.
	done, slow <-chan struct{}
}

// Option configures a Live.
type Option func(*Live)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(l *Live) { l.now = now } }

// NewLive returns the live catalogue stored in a broker. It costs one request.
func NewLive(ctx context.Context, b *broker.Broker, log *slog.Logger, options ...Option) (*Live, error) {
	stream, err := b.JetStream().Stream(ctx, broker.ControlStream)
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	lists := kv.New(b.JetStream(), stream, kv.Config[job.Catalogue]{Name: "catalogue", Check: func(c *job.Catalogue) error {
		return kv.CheckVersion(c.V)
	}})
	l := &Live{lists: lists, log: log, now: time.Now, current: Builtin(), outdated: true}
	for _, option := range options {
		option(l)
	}
	return l, nil
}

// Current returns the current catalogue, which the caller must not change. Every few seconds it costs a request to NATS, which
// concurrent callers share. If the request fails or takes longer than 100 ms, Current returns the previous catalogue; if there is
// none, it waits for up to a second.
func (l *Live) Current(ctx context.Context) *job.Catalogue {
	l.mu.Lock()
	if l.now().Sub(l.read) < readInterval {
		defer l.mu.Unlock()
		return l.current
	}
	if l.reading == nil {
		l.reading = l.startReading(ctx)
	}
	r := l.reading
	l.mu.Unlock()
	select {
	case <-r.done:
	case <-r.slow:
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current
}

// startReading starts a read that does not end with ctx, since other callers may wait for it. The caller holds l.mu.
func (l *Live) startReading(ctx context.Context) *reading {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	wait := knownTimeout
	if l.outdated {
		wait = readTimeout
	}
	slow, stop := context.WithTimeout(ctx, wait)
	done := make(chan struct{})
	r := &reading{done: done, slow: slow.Done()}
	epoch := l.epoch
	go func() {
		defer close(done)
		defer cancel()
		defer stop()
		e, err := l.lists.Get(ctx, broker.CatalogueSubject())
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.reading == r {
			l.reading = nil
		}
		if epoch == l.epoch {
			l.finish(ctx, e, err)
		}
	}()
	return r
}

// finish applies the result of a read. The caller holds l.mu.
func (l *Live) finish(ctx context.Context, e kv.Entry[job.Catalogue], err error) {
	// After a failure too, wait for readInterval before the next read.
	l.read = l.now()
	switch {
	case errors.Is(err, kv.ErrNotFound), e.Err != nil:
		if e.Err != nil && e.Revision != l.revision {
			l.log.WarnContext(ctx, "cannot read the model catalogue, using the built-in one", "error", err)
		}
		l.current, l.revision, l.outdated = Builtin(), e.Revision, false
	case err != nil:
		l.log.DebugContext(ctx, "cannot read the model catalogue", "error", err)
	default:
		l.outdated = false
		if e.Revision != l.revision || l.stale(l.current) {
			l.use(&e.Value, e.Revision)
		}
	}
}

// use makes the stored lists the current catalogue. The caller holds l.mu.
func (l *Live) use(lists *job.Catalogue, revision uint64) {
	l.revision, l.current = revision, Builtin()
	if !l.stale(lists) {
		l.current = Merge(lists, l.current)
	}
}

func (l *Live) stale(c *job.Catalogue) bool {
	return c.UpdatedAt != nil && l.now().Sub(c.UpdatedAt.Time) > maxAge
}

// Due reports whether the last update by any worker is at least every ago.
func (l *Live) Due(ctx context.Context, every time.Duration) bool {
	c := l.Current(ctx)
	return c.UpdatedAt == nil || l.now().Sub(c.UpdatedAt.Time) >= every
}

// Publish stores the upstream's lists for all processes; when it returns, this process uses them. It returns ErrChanged when
// another worker has published concurrently. It costs one acknowledged publish.
func (l *Live) Publish(ctx context.Context, lists *job.Catalogue) error {
	lists.V, lists.Source, lists.UpdatedAt = job.Version, job.SourceUpstream, job.AtPtr(l.now())
	l.mu.Lock()
	revision := l.revision
	l.mu.Unlock()
	revision, err := l.lists.Update(ctx, broker.CatalogueSubject(), *lists, revision)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	l.reading = nil
	if err == nil {
		l.use(lists, revision)
		l.read, l.outdated = l.now(), false
		return nil
	}
	// Have the next caller read the stored catalogue.
	l.read = time.Time{}
	if errors.Is(err, kv.ErrConflict) {
		l.outdated = true
		return ErrChanged
	}
	return err
}
