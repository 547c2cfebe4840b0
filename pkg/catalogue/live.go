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

	mu       sync.Mutex
	read     time.Time
	revision uint64
	current  *job.Catalogue
}

// NewLive returns the live catalogue on a broker.
func NewLive(b *broker.Broker, log *slog.Logger) *Live {
	return &Live{js: b.JetStream(), log: log, now: time.Now, current: Builtin()}
}

// Current returns the catalogue in force, which the caller must not change. It costs a request to NATS every few
// seconds; when that fails what was known before holds.
func (l *Live) Current(ctx context.Context) *job.Catalogue {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now().Sub(l.read) < rereadAfter {
		return l.current
	}
	// Whatever the outcome, the next reading is due in a while.
	l.read = l.now()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	msg, err := broker.LeaderLast(ctx, l.js, broker.ControlStream, broker.CatalogueSubject())
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		l.current, l.revision = Builtin(), 0
	case err != nil:
		l.log.DebugContext(ctx, "catalogue not read", "error", err)
	case msg.Sequence != l.revision || l.stale(l.current):
		l.take(ctx, msg)
	}
	return l.current
}

func (l *Live) take(ctx context.Context, msg *jetstream.RawStreamMsg) {
	l.revision = msg.Sequence
	var lists job.Catalogue
	err := json.Unmarshal(msg.Data, &lists)
	if err == nil && lists.V > job.Version {
		err = job.ErrNewer
	}
	if err != nil {
		l.log.WarnContext(ctx, "catalogue cannot be read, the built-in one is used", "error", err)
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

// Publish stores the upstream's lists for everybody. It fails with ErrChanged when another worker was faster.
func (l *Live) Publish(ctx context.Context, lists *job.Catalogue) error {
	lists.V, lists.Source, lists.UpdatedAt = job.Version, job.SourceUpstream, job.AtPtr(l.now())
	data, err := json.Marshal(lists)
	if err != nil {
		return fmt.Errorf("encode catalogue: %w", err)
	}
	l.mu.Lock()
	revision := l.revision
	l.read = time.Time{}
	l.mu.Unlock()
	_, err = l.js.Publish(ctx, broker.CatalogueSubject(), data, jetstream.WithExpectLastSequencePerSubject(revision))
	if broker.Conflict(err) {
		return ErrChanged
	}
	if err != nil {
		return fmt.Errorf("publish catalogue: %w", err)
	}
	return nil
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
