package catalogue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// rereadAfter is how long what was read from the store is taken as true.
	rereadAfter = 5 * time.Second
	// readTimeout bounds one reading; a request is not held up by it for longer.
	readTimeout = time.Second
	// patience is for how long a reading is waited for while a list is known that serves as well.
	patience = 100 * time.Millisecond
	// staleAfter is how long the upstream's lists are believed without being asked for again.
	staleAfter = 24 * time.Hour
)

// ErrChanged is returned by Publish when another worker was faster.
var ErrChanged = errors.New("the catalogue was published by somebody else")

// Live is the catalogue that workers keep up to date from the upstream's own lists. While there is none, or it is a day
// old, the built-in one stands in.
type Live struct {
	js  jetstream.JetStream
	log *slog.Logger
	now func() time.Time

	// mu is never held during a request.
	mu       sync.Mutex
	revision uint64
	current  *job.Catalogue
	// read is when the store was last read, whatever came of it.
	read time.Time
	// outdated says that current is known not to be what is stored: nothing was read yet, or another worker was faster.
	outdated bool
	// reading is under way; nil while none is.
	reading *reading
	// epoch counts the publications of this process. What a reading finds that began before one is dropped.
	epoch int
}

// reading is one request for what is stored, for all who wait for it.
type reading struct {
	// done is closed at its end, and slow when those for whom a known list serves as well go on without it.
	done, slow <-chan struct{}
}

// Option changes a new Live.
type Option func(*Live)

// WithClock has the time told by another clock.
func WithClock(now func() time.Time) Option { return func(l *Live) { l.now = now } }

// NewLive returns the live catalogue on a broker.
func NewLive(b *broker.Broker, log *slog.Logger, options ...Option) *Live {
	l := &Live{js: b.JetStream(), log: log, now: time.Now, current: Builtin(), outdated: true}
	for _, option := range options {
		option(l)
	}
	return l
}

// Current returns the catalogue in force, which the caller must not change. It costs a request to NATS every few
// seconds, which all callers share; when that fails, or takes longer than a tenth of a second, what was known before holds.
// Only while nothing is known it waits for up to a second.
func (l *Live) Current(ctx context.Context) *job.Catalogue {
	l.mu.Lock()
	if l.now().Sub(l.read) < rereadAfter {
		defer l.mu.Unlock()
		return l.current
	}
	if l.reading == nil {
		l.reading = l.begin(ctx)
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

// begin starts a reading. It goes on though its caller hangs up, since others may wait for it. The lock is held.
func (l *Live) begin(ctx context.Context) *reading {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	waits := readTimeout
	if !l.outdated {
		waits = patience
	}
	slow, stop := context.WithTimeout(ctx, waits)
	done := make(chan struct{})
	r := &reading{done: done, slow: slow.Done()}
	epoch := l.epoch
	go func() {
		defer close(done)
		defer cancel()
		defer stop()
		msg, err := broker.LeaderLast(ctx, l.js, broker.ControlStream, broker.CatalogueSubject())
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.reading == r {
			l.reading = nil
		}
		if epoch == l.epoch {
			l.found(ctx, msg, err)
		}
	}()
	return r
}

// found takes in what a reading has come to. The lock is held.
func (l *Live) found(ctx context.Context, msg *jetstream.RawStreamMsg, err error) {
	// Whatever the outcome, the next reading is due in a while.
	l.read = l.now()
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		l.current, l.revision, l.outdated = Builtin(), 0, false
	case err != nil:
		l.log.DebugContext(ctx, "cannot read the model catalogue", "error", err)
	default:
		l.outdated = false
		if msg.Sequence != l.revision || l.stale(l.current) {
			l.take(ctx, msg.Data, msg.Sequence)
		}
	}
}

// take brings a stored catalogue into force. The lock is held.
func (l *Live) take(ctx context.Context, data []byte, revision uint64) {
	l.revision = revision
	var lists job.Catalogue
	err := json.Unmarshal(data, &lists)
	if err == nil && lists.V > job.Version {
		err = job.ErrNewer
	}
	if err != nil {
		l.log.WarnContext(ctx, "cannot read the model catalogue, using the built-in one", "error", err)
		l.current = Builtin()
		return
	}
	if l.stale(&lists) {
		l.current = Builtin()
		return
	}
	l.current = Merge(&lists, Builtin())
}

func (l *Live) stale(c *job.Catalogue) bool {
	return c.UpdatedAt != nil && l.now().Sub(c.UpdatedAt.Time) > staleAfter
}

// Due reports whether the upstream's lists were asked for longer ago than every, by any worker.
func (l *Live) Due(ctx context.Context, every time.Duration) bool {
	c := l.Current(ctx)
	return c.UpdatedAt == nil || l.now().Sub(c.UpdatedAt.Time) >= every
}

// Publish stores the upstream's lists for everybody, and they are in force here when it returns. It fails with ErrChanged
// when another worker was faster.
func (l *Live) Publish(ctx context.Context, lists *job.Catalogue) error {
	lists.V, lists.Source, lists.UpdatedAt = job.Version, job.SourceUpstream, job.AtPtr(l.now())
	data, err := json.Marshal(lists)
	if err != nil {
		return fmt.Errorf("encode catalogue: %w", err)
	}
	l.mu.Lock()
	revision := l.revision
	l.mu.Unlock()
	ack, err := l.js.Publish(ctx, broker.CatalogueSubject(), data, jetstream.WithExpectLastSequencePerSubject(revision))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
	l.reading = nil
	if err == nil {
		l.take(ctx, data, ack.Sequence)
		l.read, l.outdated = l.now(), false
		return nil
	}
	// The next caller looks what is stored.
	l.read = time.Time{}
	if broker.Conflict(err) {
		l.outdated = true
		return ErrChanged
	}
	return fmt.Errorf("publish catalogue: %w", err)
}

// Merge completes the upstream's lists with what is built in: what a list does not say about a model, a whole list that
// could not be had, and the models that were retired.
func Merge(lists, builtin *job.Catalogue) *job.Catalogue {
	merged := &job.Catalogue{Source: lists.Source, UpdatedAt: lists.UpdatedAt, MaxPromptBytes: lists.MaxPromptBytes}
	if len(lists.Images) == 0 && len(lists.Speech) == 0 {
		merged.Source = job.SourceBuiltin
	}
	merged.Images = mergeModels(lists.Images, builtin.Images)
	merged.Speech = mergeModels(lists.Speech, builtin.Speech)
	for i, m := range merged.Speech {
		merged.Speech[i].CustomVoices = m.ReplacedBy == "" && clones(m)
	}
	return merged
}

func mergeModels(listed, builtin []job.Model) []job.Model {
	if len(listed) == 0 {
		return builtin
	}
	var merged []job.Model
	for _, m := range listed {
		if known, ok := named(builtin, m); ok {
			if len(m.Voices) == 0 {
				m.Voices = known.Voices
			}
			if len(m.Formats) == 0 {
				m.Formats = known.Formats
			}
			if m.MaxPixels == 0 {
				m.MaxPixels = known.MaxPixels
			}
			if m.MaxReferenceImages == 0 {
				m.MaxReferenceImages = known.MaxReferenceImages
			}
			short := m.Name
			if goesBy(m, known.Name) {
				// The short name stays the one to see, whatever the upstream calls the model this season.
				short = known.Name
			}
			m.Aliases = union(slices.Concat(m.Aliases, []string{m.Name}), known.Aliases, short, known.Name)
			m.Name = short
		}
		if len(m.Formats) == 0 {
			m.Formats = formatsOf(m)
		}
		merged = append(merged, m)
	}
	for _, m := range builtin {
		if _, served := named(listed, m); m.ReplacedBy == "" || served {
			continue
		}
		if _, served := named(listed, job.Model{Name: m.ReplacedBy}); !served {
			m.ReplacedBy = merged[0].Name
		}
		merged = append(merged, m)
	}
	return merged
}

// named finds the model that has any of another one's names.
func named(models []job.Model, like job.Model) (job.Model, bool) {
	for _, m := range models {
		for _, name := range append([]string{m.Name}, m.Aliases...) {
			if strings.EqualFold(name, like.Name) || slices.ContainsFunc(like.Aliases, func(a string) bool { return strings.EqualFold(a, name) }) {
				return m, true
			}
		}
	}
	return job.Model{}, false
}

// goesBy reports whether the upstream itself knows a model by a name.
func goesBy(m job.Model, name string) bool {
	return strings.EqualFold(m.Name, name) || slices.ContainsFunc(m.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
}

// union returns the aliases of a model under all its names, without the one it goes by.
func union(a, b []string, name, other string) []string {
	var all []string
	for _, alias := range slices.Concat(a, b, []string{other}) {
		if !strings.EqualFold(alias, name) && !slices.Contains(all, alias) {
			all = append(all, alias)
		}
	}
	return all
}
