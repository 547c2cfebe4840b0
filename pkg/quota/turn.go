package quota

import (
	"context"
	"fmt"
	"sync"
)

// turns lets those in one at a time who are counted under the same name.
type turns struct {
	mu sync.Mutex
	by map[string]*turn
}

// turn is somebody's; whoever holds it has put something into held.
type turn struct {
	held chan struct{}
	// users hold it or wait for it.
	users int
}

// Turn waits until nobody else in this process is between a charge of the same owner and group and what becomes of it, and
// returns what ends the turn. Two at once would each see what the other has taken, though one of them gives it back: both
// would be refused where one has room. Several processes may still do that to each other for a moment, and so may several
// owners at one address: they do not wait for each other, since all of an office would be served one by one.
//
// It fails with ErrUnavailable when ctx ends before, and costs no request. Where nothing is limited nobody waits.
func (q *Quota) Turn(ctx context.Context, key Key) (end func(), err error) {
	if !q.Limited(key) {
		return func() {}, nil
	}
	t := q.turns.enter(key.Owner)
	select {
	case t.held <- struct{}{}:
		return func() {
			<-t.held
			q.turns.leave(key.Owner, t)
		}, nil
	case <-ctx.Done():
		q.turns.leave(key.Owner, t)
		return nil, fmt.Errorf("%w: wait for a turn: %w", ErrUnavailable, context.Cause(ctx))
	}
}

func (t *turns) enter(who string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.by == nil {
		t.by = make(map[string]*turn)
	}
	mine := t.by[who]
	if mine == nil {
		mine = &turn{held: make(chan struct{}, 1)}
		t.by[who] = mine
	}
	mine.users++
	return mine
}

func (t *turns) leave(who string, mine *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if mine.users--; mine.users == 0 {
		delete(t.by, who)
	}
}
