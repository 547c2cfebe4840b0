package simulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// turnstile holds the rule of the legacy hosts: of each address one
// generation runs, at most one more waits, and the next is refused.
type turnstile struct {
	now func() time.Time

	mu    sync.Mutex
	lines map[string]*line
}

// line is what one address is doing at one host.
type line struct {
	running bool
	next    chan struct{} // closed when the one who waits may go; nil when nobody waits
	began   time.Time     // when the latest generation began
}

const maxLines = 10_000

// errCrowded refuses one more generation of an address that has one running
// and one waiting.
var errCrowded = errors.New("the queue of the address is full")

// tooSoonError refuses a generation that follows the last one of its address
// too closely.
type tooSoonError struct{ spacing, wait time.Duration }

func (e *tooSoonError) Error() string {
	return fmt.Sprintf("one generation every %v, the next in %v", e.spacing, e.wait)
}

func newTurnstile(now func() time.Time) *turnstile {
	return &turnstile{now: now, lines: map[string]*line{}}
}

// enter waits for the turn of an address and returns what ends it. It fails
// at once with errCrowded, or with a tooSoonError when spacing is above zero
// and has not passed, and with the cause when ctx ends first.
func (t *turnstile) enter(ctx context.Context, who string, spacing time.Duration) (leave func(), err error) {
	t.mu.Lock()
	if len(t.lines) >= maxLines {
		t.sweep()
	}
	l := t.lines[who]
	if l == nil {
		l = &line{}
		t.lines[who] = l
	}
	if wait := l.began.Add(spacing).Sub(t.now()); spacing > 0 && wait > 0 {
		t.mu.Unlock()
		return nil, &tooSoonError{spacing: spacing, wait: wait}
	}
	leave = func() { t.leave(l) }
	if !l.running {
		l.running, l.began = true, t.now()
		t.mu.Unlock()
		return leave, nil
	}
	if l.next != nil {
		t.mu.Unlock()
		return nil, errCrowded
	}
	turn := make(chan struct{})
	l.next = turn
	t.mu.Unlock()

	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	if l.next == turn {
		l.next = nil
		t.mu.Unlock()
		return nil, context.Cause(ctx)
	}
	t.mu.Unlock()
	leave() // The turn came at the same moment; it goes to whoever is next.
	return nil, context.Cause(ctx)
}

// leave ends a turn and hands it to the one who waits.
func (t *turnstile) leave(l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.next == nil {
		l.running = false
		return
	}
	close(l.next)
	l.next, l.began = nil, t.now()
}

// sweep forgets the addresses that do nothing.
func (t *turnstile) sweep() {
	for who, l := range t.lines {
		if !l.running {
			delete(t.lines, who)
		}
	}
}

// defaultSpacing is what the fault legacy_spacing keeps when its rule says
// nothing else.
const defaultSpacing = 45 * time.Second

// turn waits until this exchange may generate; only the legacy hosts make
// anybody wait. What it returns ends the turn.
func (x *exchange) turn(ctx context.Context) (leave func(), err error) {
	if !x.dialect.legacy() {
		return func() {}, nil
	}
	var spacing time.Duration
	if x.behaves(faultSpacing) {
		spacing = defaultSpacing
		if x.rule.RetryAfter > 0 {
			spacing = x.rule.RetryAfter
		}
	}
	return x.s.turns.enter(ctx, string(x.dialect)+" "+x.address(), spacing)
}

// address is the client's, without its port.
func (x *exchange) address() string {
	host, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		return x.r.RemoteAddr
	}
	return host
}
