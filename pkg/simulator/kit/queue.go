package kit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// AddressQueue limits the generations of each client address: one runs, at most
// one more waits, and the next one is rejected.
type AddressQueue struct {
	now func() time.Time

	mu     sync.Mutex
	states map[string]*addressState
}

// addressState is the state of one address at one host.
type addressState struct {
	running bool
	next    chan struct{} // closed when the waiting generation may start; nil when none waits
	began   time.Time     // when the latest generation started
}

const maxAddresses = 10_000

// ErrQueueFull means that an address has one generation running and one waiting.
var ErrQueueFull = errors.New("the queue of the address is full")

// TooSoonError means that a generation follows the latest one of its address too
// closely.
type TooSoonError struct{ Spacing, Wait time.Duration }

// Error returns the spacing and how long to wait.
func (e *TooSoonError) Error() string {
	return fmt.Sprintf("one generation every %v, the next in %v", e.Spacing, e.Wait)
}

// NewAddressQueue returns an empty queue.
func NewAddressQueue(now func() time.Time) *AddressQueue {
	return &AddressQueue{now: now, states: map[string]*addressState{}}
}

// acquire waits until an address may generate and returns the function that ends
// its generation. It fails at once with ErrQueueFull, or with a TooSoonError when spacing is
// above zero and has not passed, and with the cause when ctx ends first.
func (q *AddressQueue) acquire(ctx context.Context, who string, spacing time.Duration) (release func(), err error) {
	q.mu.Lock()
	if len(q.states) >= maxAddresses {
		q.sweep()
	}
	a := q.states[who]
	if a == nil {
		a = &addressState{}
		q.states[who] = a
	}
	if wait := a.began.Add(spacing).Sub(q.now()); spacing > 0 && wait > 0 {
		q.mu.Unlock()
		return nil, &TooSoonError{Spacing: spacing, Wait: wait}
	}
	release = func() { q.release(a) }
	if !a.running {
		a.running, a.began = true, q.now()
		q.mu.Unlock()
		return release, nil
	}
	if a.next != nil {
		q.mu.Unlock()
		return nil, ErrQueueFull
	}
	turn := make(chan struct{})
	a.next = turn
	q.mu.Unlock()

	select {
	case <-turn:
		return release, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	if a.next == turn {
		a.next = nil
		q.mu.Unlock()
		return nil, context.Cause(ctx)
	}
	q.mu.Unlock()
	release() // It could have started at the same moment.
	return nil, context.Cause(ctx)
}

// release ends a generation and starts the waiting one.
func (q *AddressQueue) release(a *addressState) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a.next == nil {
		a.running = false
		return
	}
	close(a.next)
	a.next, a.began = nil, q.now()
}

// sweep forgets the addresses without a running generation.
func (q *AddressQueue) sweep() {
	for who, a := range q.states {
		if !a.running {
			delete(q.states, who)
		}
	}
}

// defaultSpacing is the spacing of FaultSpacing when its rule does not set one.
const defaultSpacing = 45 * time.Second

// turn waits until the queue of the host, if it has one, lets this exchange
// generate. It returns the function that ends the generation.
func (x *Exchange) turn(ctx context.Context) (release func(), err error) {
	if x.Host.Queue == nil {
		return func() {}, nil
	}
	var spacing time.Duration
	if x.Varies(FaultSpacing) {
		spacing = defaultSpacing
		if x.rule.RetryAfter > 0 {
			spacing = x.rule.RetryAfter
		}
	}
	return x.Host.Queue.acquire(ctx, string(x.Host.Dialect)+" "+x.Address(), spacing)
}

// Turn waits until this exchange may generate, for generations that are not
// cached. Otherwise it responds, unless the client went away, and returns false.
func (x *Exchange) Turn() (release func(), ok bool) {
	release, err := x.turn(x.Context())
	if err != nil {
		x.Host.Busy(x, err)
		return nil, false
	}
	return release, true
}
