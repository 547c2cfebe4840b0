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
	// readInterval is for how long what was read from the store is used without reading it again.
	readInterval = 5 * time.Second
	// readTimeout bounds one reading; a request does not wait longer for it.
	readTimeout = time.Second
	// knownTimeout is for how long a reading is waited for while a catalogue is known that serves as well.
	knownTimeout = 100 * time.Millisecond
	// maxAge is for how long the upstream's lists are used without being asked for again.
	maxAge = 24 * time.Hour
)

// ErrChanged is returned by Publish when another worker was faster.
var ErrChanged = errors.New("another worker has published the catalogue")

// Live is the catalogue that workers keep up to date from the upstream's own lists. While there is none, or it is older than
// a day, the built-in one is used.
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
	// outdated says that current is known not to be what is stored: nothing was read yet, or another worker was faster.
	outdated bool
	// reading is in flight; nil while none is.
	reading *reading
	// epoch counts the publications of this process. The outcome of a reading that began before one is dropped.
	epoch int
}

// reading is one request for what is stored, shared by all who wait for it.
type reading struct {
	// done is closed at its end, and slow when callers go on without it.
	done, slow <-chan struct{}
}

// Option changes a new Live.
type Option func(*Live)

// WithClock replaces the clock.
func WithClock(now func() time.Time) Option { return func(l *Live) { l.now = now } }

// NewLive returns the live catalogue on a broker. It costs one request.
func NewLive(ctx context.Context, b *broker.Broker, log *slog.Logger, options ...Option) (*Live, error) {
	stream, err := b.JetStream().Stream(ctx, broker.ControlStream)
	if err != nil {
		return nil, fmt.Errorf("open catalogue: %w", err)
	}
	lists := kv.New(b.JetStream(), stream, kv.Config[job.Catalogue]{Name: "catalogue", Check: func(c *job.Catalogue) error {
		if c.V > job.Version {
			return kv.ErrNewer
		}
		return nil
	}})
	l := &Live{lists: lists, log: log, now: time.Now, current: Builtin(), outdated: true}
	for _, option := range options {
		option(l)
	}
	return l, nil
}

// Current returns the catalogue in force, which the caller must not change. It costs a request to NATS every few seconds,
// which all callers share; when that fails, or takes longer than a tenth of a second, the catalogue that was known before is
// returned. Only while none is known Current waits for up to a second.
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

// startReading starts a reading, which outlives its caller, since others may wait for it. The lock is held.
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

// finish takes in the outcome of a reading. The lock is held.
func (l *Live) finish(ctx context.Context, e kv.Entry[job.Catalogue], err error) {
	// Whatever it is, the next reading is due only after the interval.
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

// use puts the stored lists into force. The lock is held.
func (l *Live) use(lists *job.Catalogue, revision uint64) {
	l.revision, l.current = revision, Builtin()
	if !l.stale(lists) {
		l.current = Merge(lists, l.current)
	}
}

func (l *Live) stale(c *job.Catalogue) bool {
	return c.UpdatedAt != nil && l.now().Sub(c.UpdatedAt.Time) > maxAge
}

// Due reports whether the upstream's lists were asked for longer ago than every, by any worker.
func (l *Live) Due(ctx context.Context, every time.Duration) bool {
	c := l.Current(ctx)
	return c.UpdatedAt == nil || l.now().Sub(c.UpdatedAt.Time) >= every
}

// Publish stores the upstream's lists for all processes; this one uses them when it returns. It fails with ErrChanged when
// another worker was faster. It costs one acknowledged publish.
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
	// The next caller reads what is stored.
	l.read = time.Time{}
	if errors.Is(err, kv.ErrConflict) {
		l.outdated = true
		return ErrChanged
	}
	return err
}
