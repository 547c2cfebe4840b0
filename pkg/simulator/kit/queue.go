package kit

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	admitted chan struct{} // one element for the running and one for the waiting generation
	running  chan struct{} // one element for the running generation
	began    time.Time     // when the latest generation started
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
	defer q.mu.Unlock()
	if len(q.states) >= maxAddresses {
		maps.DeleteFunc(q.states, func(_ string, a *addressState) bool { return len(a.admitted) == 0 })
	}
	a := q.states[who]
	if a == nil {
		a = &addressState{admitted: make(chan struct{}, 2), running: make(chan struct{}, 1)}
		q.states[who] = a
	}
	if wait := a.began.Add(spacing).Sub(q.now()); spacing > 0 && wait > 0 {
		return nil, &TooSoonError{Spacing: spacing, Wait: wait}
	}
	select {
	case a.admitted <- struct{}{}:
	default:
		return nil, ErrQueueFull
	}
	select {
	case a.running <- struct{}{}:
	default:
		q.mu.Unlock()
		select {
		case a.running <- struct{}{}:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		q.mu.Lock()
	}
	if err != nil {
		<-a.admitted
		return nil, err
	}
	a.began = q.now()
	return func() { <-a.running; <-a.admitted }, nil
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
