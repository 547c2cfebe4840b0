package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// controlEvery is how often circuits and orders are read although nobody has told of a change.
	controlEvery = time.Second
	// controlTimeout bounds one reading.
	controlTimeout = 5 * time.Second
)

// Control is what this process knows about circuits and operators' orders, kept up to date in the background, and the
// way to change them. Its answers come from memory.
type Control struct {
	queue *Queue
	log   *slog.Logger
	now   func() time.Time
	// onChange, if not nil, hears of the state at the start and of each change, and telling keeps the latest the last.
	onChange func(View)
	telling  sync.Mutex
	// onSwitch, if not nil, is called with the switches in force, at the start and whenever they change.
	onSwitch func(map[SwitchName]Switch)
	// switches are those that onSwitch was last called with; only one goroutine at a time uses it.
	switches map[SwitchName]Switch

	stop func()
	done sync.WaitGroup
	// editing lets one change of this process through at a time: they would only be in each other's way. Whoever holds it
	// sends to it; unlike a mutex it can be waited for within a context.
	editing chan struct{}

	mu      sync.Mutex
	view    View
	changed chan struct{}
	// applied is what this process has last told the consumers of a kind; a kind that it has told nothing yet is absent.
	applied map[job.Kind]time.Time
	// behind counts readings in a row that knew less than this process does.
	behind int
}

// View is the state of all circuits and orders at one moment.
type View struct {
	Circuits map[string]Circuit
	Pauses   map[job.Kind]KindPause
	Switches map[SwitchName]Switch
	// revisions order what was read and what was written here.
	revisions map[string]uint64
}

// Circuit returns the circuit of an upstream; one that was never opened is closed.
func (v View) Circuit(upstream string) Circuit {
	if c, ok := v.Circuits[upstream]; ok {
		return c
	}
	return Circuit{Upstream: upstream, State: CircuitClosed}
}

// Paused returns until when no job of a kind is worked, the later of its upstream's pause and the operator's; the zero
// time when nothing holds it. An upstream whose time has come, or that lets a job through, holds nothing.
func (v View) Paused(kind job.Kind, now time.Time) time.Time {
	var until time.Time
	if c := v.Circuit(kind.Upstream()); c.State == CircuitOpen && now.Before(c.Until.Time) {
		until = c.Until.Time
	}
	if p := v.Pauses[kind]; p.Holds(now) && p.Until.After(until) {
		until = p.Until.Time
	}
	return until
}

// Show adds to the view of a job what holds it up, if anything does: an upstream that is closed, or an operator's order.
func (v View) Show(j *job.Job, now time.Time) {
	if j.Status != job.StatusQueued && j.Status != job.StatusRetrying {
		return
	}
	until := v.Paused(j.Kind, now)
	c, p := v.Circuit(j.Kind.Upstream()), v.Pauses[j.Kind]
	at := job.At(until)
	switch {
	case p.Holds(now) && p.Until.Equal(until):
		j.Hold(job.Waiting{Reason: job.ReasonPaused, Until: &at})
	case !c.Open(), j.NextAttemptAt != nil && j.NextAttemptAt.After(c.Until.Time):
		// Its own pause is the longer one.
	case until.IsZero():
		j.Hold(job.Waiting{Upstream: c.Upstream, Reason: c.Code})
	default:
		j.Hold(job.Waiting{Upstream: c.Upstream, Reason: c.Code, Until: &at})
	}
}

// NewControl returns a control that knows nothing until Start. onChange, if not nil, is called then and after every change,
// by one goroutine at a time, with what is known at that moment; it must not change anything itself.
func (q *Queue) NewControl(log *slog.Logger, onChange func(View)) *Control {
	return &Control{
		queue: q, log: log, now: time.Now, onChange: onChange, changed: make(chan struct{}), stop: func() {},
		editing: make(chan struct{}, 1),
		view: View{
			Circuits: map[string]Circuit{}, Pauses: map[job.Kind]KindPause{}, Switches: map[SwitchName]Switch{}, revisions: map[string]uint64{},
		},
		applied: map[job.Kind]time.Time{},
	}
}

// Start reads everything, from the stream's leader, and keeps it up to date until Stop; ctx bounds the start only.
func (c *Control) Start(ctx context.Context) error {
	if err := c.readLeader(ctx); err != nil {
		return err
	}
	c.tell()
	c.applySwitches()
	notices := make(chan *nats.Msg, 16)
	sub, err := c.queue.nc.ChanSubscribe(broker.ControlChanged, notices)
	if err != nil {
		return fmt.Errorf("subscribe to control: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.stop = func() {
		cancel()
		_ = sub.Unsubscribe()
	}
	c.done.Go(func() { c.follow(ctx, notices) })
	return nil
}

// Stop ends the background work. It is safe before Start.
func (c *Control) Stop() {
	c.stop()
	c.done.Wait()
}

// View returns what is known now.
func (c *Control) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// Changed returns a channel that is closed at the next change.
func (c *Control) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// follow reads again after each notice and each while, and holds the consumers to what was read.
func (c *Control) follow(ctx context.Context, notices <-chan *nats.Msg) {
	ticker := time.NewTicker(controlEvery)
	defer ticker.Stop()
	for {
		c.applySwitches()
		c.apply(ctx)
		select {
		case <-ctx.Done():
			return
		case m := <-notices:
			c.notified(m)
			continue
		case <-ticker.C:
		}
		if err := c.read(ctx); err != nil && ctx.Err() == nil {
			// What is known stays in force; the next reading is due in a moment.
			c.log.DebugContext(ctx, "cannot read circuit breakers", "error", err)
		}
	}
}

// read takes in what any replica knows.
func (c *Control) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, c.queue.js, broker.ControlStream,
		[]string{broker.CircuitsSubject(), broker.PausesSubject(), broker.SwitchesSubject()})
	if err != nil {
		return fmt.Errorf("read control: %w", err)
	}
	seen := map[string]uint64{}
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			break
		}
		if err != nil {
			return fmt.Errorf("read control: %w", err)
		}
		seen[msg.Subject] = msg.Sequence
		c.take(msg.Data, msg.Subject, msg.Sequence)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read control: %w", err)
	}
	if c.knowsMore(seen) < staleReadings {
		return nil
	}
	// No replica is behind for so long: the stream was made anew.
	return c.readLeader(ctx)
}

// staleReadings is after how many readings in a row that knew less the leader is asked.
const staleReadings = 3

// knowsMore returns how many readings in a row knew less than this process does, the latest included.
func (c *Control) knowsMore(seen map[string]uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for subject, revision := range c.view.revisions {
		if seen[subject] < revision {
			c.behind++
			return c.behind
		}
	}
	c.behind = 0
	return 0
}

// readLeader takes in what is certain; a Retry-After must hold for a process that has just begun.
func (c *Control) readLeader(ctx context.Context) error {
	var subjects []string
	for _, upstream := range job.Upstreams() {
		subjects = append(subjects, broker.CircuitSubject(upstream))
	}
	for _, kind := range job.Kinds() {
		subjects = append(subjects, broker.PauseSubject(kind))
	}
	for _, name := range SwitchNames() {
		subjects = append(subjects, broker.SwitchSubject(string(name)))
	}
	for _, subject := range subjects {
		msg, err := broker.LeaderLast(ctx, c.queue.js, broker.ControlStream, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			c.forget(subject, 0)
		case err != nil:
			return fmt.Errorf("read control: %w", err)
		default:
			c.forget(subject, msg.Sequence)
			c.take(msg.Data, subject, msg.Sequence)
		}
	}
	return nil
}

// forget drops what is known from a subject when the leader knows less.
func (c *Control) forget(subject string, revision uint64) {
	c.mu.Lock()
	if c.view.revisions[subject] <= revision {
		c.mu.Unlock()
		return
	}
	view := c.view.clone()
	delete(view.revisions, subject)
	for _, upstream := range job.Upstreams() {
		if broker.CircuitSubject(upstream) == subject {
			delete(view.Circuits, upstream)
		}
	}
	for _, kind := range job.Kinds() {
		if broker.PauseSubject(kind) == subject {
			delete(view.Pauses, kind)
		}
	}
	for _, name := range SwitchNames() {
		if broker.SwitchSubject(string(name)) == subject {
			delete(view.Switches, name)
		}
	}
	c.view, c.behind = view, 0
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	c.tell()
}

// tell has whoever wants to know hear what is known now.
func (c *Control) tell() {
	if c.onChange == nil {
		return
	}
	c.telling.Lock()
	defer c.telling.Unlock()
	c.onChange(c.View())
}

// take enters one state into the view, unless a newer one is known.
func (c *Control) take(data []byte, subject string, revision uint64) {
	circuit, isCircuit := decodeCircuit(data)
	pause, isPause := decodePause(data)
	sw, isSwitch := decodeSwitch(data, subject)
	c.mu.Lock()
	if (!isCircuit && !isPause && !isSwitch) || revision <= c.view.revisions[subject] {
		c.mu.Unlock()
		return
	}
	view := c.view.clone()
	view.revisions[subject] = revision
	switch {
	case isSwitch:
		view.Switches[sw.Name] = sw
	case isCircuit:
		view.Circuits[circuit.Upstream] = circuit
	default:
		view.Pauses[pause.Kind] = pause
	}
	c.view = view
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	c.tell()
}

// clone returns a copy that can be changed while the view is read elsewhere.
func (v View) clone() View {
	next := View{
		Circuits: make(map[string]Circuit, len(v.Circuits)), Pauses: make(map[job.Kind]KindPause, len(v.Pauses)),
		Switches: make(map[SwitchName]Switch, len(v.Switches)), revisions: make(map[string]uint64, len(v.revisions)),
	}
	maps.Copy(next.Switches, v.Switches)
	for k, x := range v.Circuits {
		next.Circuits[k] = x
	}
	for k, x := range v.Pauses {
		next.Pauses[k] = x
	}
	for k, x := range v.revisions {
		next.revisions[k] = x
	}
	return next
}

// apply pauses the consumers of kinds that are held, and resumes those that no longer are. Every process does the same
// from the same facts, so it does not matter whose request is the last.
func (c *Control) apply(ctx context.Context) {
	view, now := c.View(), c.now()
	for _, kind := range job.Kinds() {
		until := view.Paused(kind, now)
		c.mu.Lock()
		last, told := c.applied[kind]
		c.mu.Unlock()
		// A process that has just begun sets right what one that died may have left behind.
		if told && (until.Equal(last) || (until.IsZero() && !now.Before(last))) {
			continue
		}
		if err := c.pause(ctx, kind, until); err != nil {
			if ctx.Err() == nil {
				c.log.DebugContext(ctx, "cannot pause consumers", "kind", string(kind), "error", err)
			}
			continue
		}
		c.mu.Lock()
		c.applied[kind] = until
		c.mu.Unlock()
	}
}

func (c *Control) pause(ctx context.Context, kind job.Kind, until time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	for _, consumer := range consumersOf(kind) {
		var err error
		if until.IsZero() {
			_, err = c.queue.js.ResumeConsumer(ctx, broker.StreamJobs, consumer)
		} else {
			_, err = c.queue.js.PauseConsumer(ctx, broker.StreamJobs, consumer, until)
		}
		if err != nil {
			return fmt.Errorf("pause %s: %w", kind, err)
		}
	}
	return nil
}
