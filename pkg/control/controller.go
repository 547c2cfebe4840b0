package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// readInterval is the interval of reads without a notice of a change.
	readInterval = time.Second
	// requestTimeout bounds one read, and one change including the wait for other changes.
	requestTimeout = 5 * time.Second
	// maxStaleReads is how many consecutive reads may be older than the view before the leader is read.
	maxStaleReads = 3
)

// Controller keeps the circuits, pauses and switches in memory, updates them in the background, and changes them. It pauses
// the consumers of paused kinds.
type Controller struct {
	*Store
	log *slog.Logger
	now func() time.Time
	// onChange, if not nil, is called with the view at the start and after each change, never concurrently.
	onChange  func(View)
	notifying sync.Mutex
	// onSwitch, if not nil, is called with the switches in force, at the start and whenever they change.
	onSwitch func(map[SwitchName]Switch)
	// inForce are the switches of the last call of onSwitch; only one goroutine at a time uses it.
	inForce map[SwitchName]Switch

	// providers are the circuits that Start reads besides those of all upstreams.
	providers []string

	stop func()
	done sync.WaitGroup
	// editing allows one change of a circuit at a time: concurrent ones would conflict with each other.
	editing *semaphore.Weighted

	mu      sync.Mutex
	view    View
	changed chan struct{}
	// applied is the end of the pause that this process last set on the consumers of a kind; absent before the first.
	applied map[job.Kind]time.Time
	// staleReads counts consecutive reads that were older than the view.
	staleReads int
}

// NewController returns a controller with an empty view. onChange, if not nil, is called with the view by Start and after
// every change, never concurrently. It must not change the state.
func NewController(s *Store, log *slog.Logger, onChange func(View)) *Controller {
	return &Controller{
		Store: s, log: log, now: time.Now, onChange: onChange, stop: func() {}, editing: semaphore.NewWeighted(1),
		view: emptyView(), changed: make(chan struct{}), applied: map[job.Kind]time.Time{},
	}
}

// Start reads the state from the stream's leader and keeps it up to date until Stop; ctx bounds only the start.
func (c *Controller) Start(ctx context.Context) error {
	if err := c.readLeader(ctx); err != nil {
		return err
	}
	c.notify()
	c.applySwitches()
	notices := make(chan *nats.Msg, 16)
	sub, err := c.nc.ChanSubscribe(broker.ControlChanged, notices)
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
func (c *Controller) Stop() {
	c.stop()
	c.done.Wait()
}

// View returns the current view, from memory.
func (c *Controller) View() View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// Changed returns a channel that is closed at the next change.
func (c *Controller) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// OnSwitch sets a function that is called with the switches that override the environment: by Start, and in the background
// within a second of each change, including the expiry of a switch. It must be called before Start.
func (c *Controller) OnSwitch(f func(map[SwitchName]Switch)) { c.onSwitch = f }

// Providers makes Start read the circuits of providers too. It must be called before Start; without it they are known a
// second later.
func (c *Controller) Providers(names []string) { c.providers = names }

// follow updates the view by each notice and each interval, and applies it.
func (c *Controller) follow(ctx context.Context, notices <-chan *nats.Msg) {
	ticker := time.NewTicker(readInterval)
	defer ticker.Stop()
	for {
		c.applySwitches()
		c.pauseConsumers(ctx)
		select {
		case <-ctx.Done():
			return
		case m := <-notices:
			c.receive(m)
			continue
		case <-ticker.C:
		}
		if err := c.read(ctx); err != nil && ctx.Err() == nil {
			// The view stays in force until the next read.
			c.log.DebugContext(ctx, "cannot read circuit breakers", "error", err)
		}
	}
}

// read updates the view from any replica.
func (c *Controller) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	entries, err := c.states.List(ctx, broker.CircuitsSubject(), broker.PausesSubject(), broker.SwitchesSubject())
	if err != nil {
		return err
	}
	seen := make(map[string]uint64, len(entries))
	for _, e := range entries {
		seen[e.Key] = e.Revision
		c.learn(e.Key, e.Revision, e.Value)
	}
	if c.countStale(seen) < maxStaleReads {
		return nil
	}
	// No replica is behind for so long: the stream was recreated.
	return c.readLeader(ctx)
}

// countStale returns the number of consecutive reads, including this one, that were older than the view.
func (c *Controller) countStale(seen map[string]uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for subject, revision := range c.view.revisions {
		if seen[subject] < revision {
			c.staleReads++
			return c.staleReads
		}
	}
	c.staleReads = 0
	return 0
}

// readLeader updates the view from the leader: a process that has just started must respect the pause of an upstream.
func (c *Controller) readLeader(ctx context.Context) error {
	// What is in the view was stored once and may be gone.
	subjects := c.known()
	for _, upstream := range append(job.Upstreams(), c.providers...) {
		subjects = append(subjects, broker.CircuitSubject(upstream))
	}
	for _, kind := range job.Kinds() {
		subjects = append(subjects, broker.PauseSubject(kind))
	}
	for _, name := range SwitchNames() {
		subjects = append(subjects, broker.SwitchSubject(string(name)))
	}
	slices.Sort(subjects)
	for _, subject := range slices.Compact(subjects) {
		e, err := c.states.Get(ctx, subject)
		// Invalid JSON is ignored: it must not prevent the start.
		if err != nil && e.Revision == 0 && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		stored := e.Revision
		if !e.Exists {
			stored = 0 // The marker of a deleted state has a revision too.
		}
		c.forget(subject, stored)
		c.learn(subject, e.Revision, e.Value)
	}
	return nil
}

// known returns the subjects of the states in the view.
func (c *Controller) known() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Keys(c.view.revisions))
}

// forget drops the state of a subject from the view if it is newer than the stored revision.
func (c *Controller) forget(subject string, revision uint64) {
	c.update(func(view View) bool {
		if view.revisions[subject] <= revision {
			return false
		}
		view.remove(subject)
		c.staleReads = 0
		return true
	})
}

// learn sets a stored state in the view, unless it cannot be decoded or the view has a newer one.
func (c *Controller) learn(subject string, revision uint64, data []byte) {
	if s, ok := decodeState(subject, data); ok {
		c.set(subject, revision, s)
	}
}

func (c *Controller) set(subject string, revision uint64, s state) {
	c.update(func(view View) bool {
		if revision <= view.revisions[subject] {
			return false
		}
		view.revisions[subject] = revision
		s.set(view)
		return true
	})
}

// update replaces the view by a copy that edit has changed and notifies of it, if edit reports a change.
func (c *Controller) update(edit func(View) bool) {
	c.mu.Lock()
	view := c.view.clone()
	if !edit(view) {
		c.mu.Unlock()
		return
	}
	c.view = view
	close(c.changed)
	c.changed = make(chan struct{})
	c.mu.Unlock()
	c.notify()
}

// notify calls onChange with the view. Calls do not overlap, so that the last one has the latest view.
func (c *Controller) notify() {
	if c.onChange == nil {
		return
	}
	c.notifying.Lock()
	defer c.notifying.Unlock()
	c.onChange(c.View())
}
