package quota

import (
	"context"
	"fmt"
	"sync"
)

// maxTallies bounds the counters whose values a process remembers: about 1 MiB.
const maxTallies = 4096

// tallies holds what this process knows about counters: their latest known values, and what its submissions have reserved. Other
// processes change the same counters, so that a value only shows what to expect, and the counters in NATS decide.
type tallies struct {
	mu sync.Mutex
	by map[string]*tally
	// changed is closed when a value or a reservation changes. It is nil while nobody waits.
	changed chan struct{}
}

// tally is what this process knows about one counter.
type tally struct {
	// value is the value with the given sequence in the stream, which is 0 while the value is unknown.
	value    int
	sequence uint64
	// held is the sum of the units of reservations whose outcome is unknown, some of which value includes; holders is their number.
	held, holders int
}

// decision is what to do about a reservation.
type decision int

const (
	proceed decision = iota
	// wait means that the units fit or not, depending on the outcome of other reservations.
	wait
	// exceeded means that the units do not fit, whatever the outcome of other reservations.
	exceeded
)

func (t *tally) decide(limit, units int) decision {
	switch {
	case t.sequence == 0 && t.holders == 0:
		return proceed
	case t.sequence == 0:
		return wait // The first charge shows the value.
	case t.value-t.held+units > limit:
		return exceeded
	case t.value+t.held+units > limit:
		return wait
	}
	return proceed
}

// Reserve waits until units can be charged to a key regardless of what becomes of other reservations of this process, and
// returns the function that ends the reservation. Callers hold it from before a charge until its outcome is known. Without it,
// a charge that is released later could cause one to be refused for which there is room. This can still happen between processes.
//
// It waits only when the quota is almost used up, and for the first charge in a window, whose result shows how much is left. It
// does not wait, and reserves nothing, if the quota is used up: Charge refuses it then. It returns ErrUnavailable when ctx ends
// first, and costs no request.
func (q *Quota) Reserve(ctx context.Context, key Key, units int) (end func(), err error) {
	list := q.windows(key, q.now(), units)
	for {
		d, changed := q.tallies.reserve(list)
		switch d {
		case proceed:
			return func() { q.tallies.release(list) }, nil
		case exceeded:
			return func() {}, nil
		case wait:
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: wait for other submissions: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

// reserve reserves the units of all windows or of none. With the decision to wait it returns a channel that is closed when it may be
// different.
func (s *tallies) reserve(list []Usage) (decision, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := proceed
	for i := range list {
		if t := s.by[list[i].counter.subject]; t != nil {
			result = max(result, t.decide(list[i].Limit, list[i].units))
		}
	}
	switch result {
	case wait:
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		return wait, s.changed
	case proceed:
		for i := range list {
			t := s.tally(list[i].counter)
			t.held += list[i].units
			t.holders++
		}
	case exceeded:
	}
	return result, nil
}

func (s *tallies) release(list []Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		t := s.by[list[i].counter.subject]
		t.held -= list[i].units
		t.holders--
	}
	s.notify()
}

// learn records the value of a counter, unless a later one is known.
func (s *tallies) learn(c counter, value int, sequence uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally(c)
	if sequence <= t.sequence {
		return
	}
	first := t.sequence == 0
	t.value, t.sequence = value, sequence
	if first || t.holders > 0 {
		s.notify()
	}
}

// mayFit reports whether the units may fit into all windows, as far as this process knows.
func (s *tallies) mayFit(list []Usage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		if t := s.by[list[i].counter.subject]; t != nil && t.value+list[i].units > list[i].Limit {
			return false
		}
	}
	return true
}

// tally returns the entry of a counter. It forgets all others that nobody holds when there are too many.
func (s *tallies) tally(c counter) *tally {
	if t := s.by[c.subject]; t != nil {
		return t
	}
	if s.by == nil {
		s.by = make(map[string]*tally)
	}
	if len(s.by) >= maxTallies {
		for subject, t := range s.by {
			if t.holders == 0 {
				delete(s.by, subject)
			}
		}
	}
	t := &tally{}
	s.by[c.subject] = t
	return t
}

// notify wakes all that wait. There are few: most charges are far from their limits.
func (s *tallies) notify() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}
