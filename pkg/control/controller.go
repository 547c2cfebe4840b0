package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// readInterval is how often the state is read although no notice of a change has come.
	readInterval = time.Second
	// requestTimeout bounds one reading, and one change with the wait for other changes.
	requestTimeout = 5 * time.Second
	// staleReadings is after how many readings in a row that knew less than this process the leader is asked.
	staleReadings = 3
)

// Controller keeps the circuits, pauses and switches in memory, up to date in the background, and changes them. It pauses
// the consumers of the queue that they hold up.
type Controller struct {
	*Store
	log *slog.Logger
	now func() time.Time
	// onChange, if not nil, is called with the view at the start and after each change, one call at a time.
	onChange  func(View)
	notifying sync.Mutex
	// onSwitch, if not nil, is called with the switches in force, at the start and whenever they change.
	onSwitch func(map[SwitchName]Switch)
	// inForce are the switches that onSwitch was last called with; only one goroutine at a time uses it.
	inForce map[SwitchName]Switch

	stop func()
	done sync.WaitGroup
	// editing allows one change of a circuit at a time: those of one process would only conflict with each other.
	editing *semaphore.Weighted

	mu      sync.Mutex
	view    View
	changed chan struct{}
	// applied is the pause that this process has last set on the consumers of a kind; absent before the first one.
	applied map[job.Kind]time.Time
	// behind counts readings in a row that knew less than this process does.
	behind int
}

// NewController returns a controller that knows nothing until Start. onChange, if not nil, is called then and after every
// change, one call at a time, with what is known at that moment; it must not change anything itself.
func NewController(s *Store, log *slog.Logger, onChange func(View)) *Controller {
	return &Controller{
		Store: s, log: log, now: time.Now, onChange: onChange, stop: func() {}, editing: semaphore.NewWeighted(1),
		view: emptyView(), changed: make(chan struct{}), applied: map[job.Kind]time.Time{},
	}
}

// Start reads everything, from the stream's leader, and keeps it up to date until Stop; ctx bounds the start only.
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

// View returns what is known now, from memory.
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

// OnSwitch has f called with the switches that override the environment: during Start, and then by the background work within
// a second of each change, also when the time of one is over. It must be called before Start.
func (c *Controller) OnSwitch(f func(map[SwitchName]Switch)) { c.onSwitch = f }

// follow reads again after each notice and each interval, and pauses consumers accordingly.
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
			// What is known stays in force until the next reading.
			c.log.DebugContext(ctx, "cannot read circuit breakers", "error", err)
		}
	}
}

// read takes in what any replica knows.
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
	if c.countBehind(seen) < staleReadings {
		return nil
	}
	// No replica is behind for so long: the stream was created anew.
	return c.readLeader(ctx)
}

// countBehind returns how many readings in a row knew less than this process does, the latest included.
func (c *Controller) countBehind(seen map[string]uint64) int {
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

// readLeader takes in what is certain: a pause that an upstream has asked for must hold for a process that has just started.
func (c *Controller) readLeader(ctx context.Context) error {
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
		e, err := c.states.Get(ctx, subject)
		// What is no JSON is no state either, and must not stop the start.
		if err != nil && e.Revision == 0 && !errors.Is(err, kv.ErrNotFound) {
			return err
		}
		known := e.Revision
		if !e.Exists {
			known = 0 // The marker of a deleted state has a revision too.
		}
		c.forget(subject, known)
		c.learn(subject, e.Revision, e.Value)
	}
	return nil
}

// forget drops what is known of a subject when the leader knows less.
func (c *Controller) forget(subject string, revision uint64) {
	c.update(func(view View) bool {
		if view.revisions[subject] <= revision {
			return false
		}
		view.remove(subject)
		c.behind = 0
		return true
	})
}

// learn takes a stored state into the view, unless it cannot be read here or a newer one is known.
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

// update replaces the view by a copy that edit has changed and announces it, if edit reports a change.
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

// notify calls onChange with what is known now; calls do not overlap, so that the last one has the latest view.
func (c *Controller) notify() {
	if c.onChange == nil {
		return
	}
	c.notifying.Lock()
	defer c.notifying.Unlock()
	c.onChange(c.View())
}
