package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
)

// combiner joins the charges to a counter that arrive while an earlier one is not answered yet into one publish, so that many
// submissions at once, such as those of one address, cost few requests.
type combiner struct {
	mu sync.Mutex
	// next has an entry for each counter that is being changed: the charges that wait, or nil.
	next map[counter]*batch
}

// batch is a set of charges to one counter.
type batch struct {
	counter counter
	charges []*charge
	// done is closed when the charges are answered. Then err says whether they failed, and are reversed.
	done chan struct{}
	err  error
}

// charge is a charge to one counter.
type charge struct {
	limit, units int
	// used is the new value of the counter without later charges, and fits whether that is within the limit.
	used int
	fits bool
}

// charge adds a charge to each of the counters. The batches have their outcomes, once they are done.
func (q *Quota) charge(ctx context.Context, counters []counter, charges []charge) []*batch {
	batches := make([]*batch, len(charges))
	var first []*batch
	for i, c := range counters {
		b, alone := q.combiner.join(c, &charges[i])
		if alone {
			first = append(first, b)
		}
		batches[i] = b
	}
	_ = each(len(first), func(i int) error {
		q.publishFirst(ctx, first[i])
		return nil
	})
	for _, b := range batches {
		select {
		case <-b.done:
		case <-ctx.Done():
		}
	}
	return batches
}

// publishFirst adds a batch to its counter, and leaves those that arrive meanwhile to a goroutine.
func (q *Quota) publishFirst(ctx context.Context, b *batch) {
	q.publish(ctx, b)
	if next := q.combiner.take(b.counter); next != nil {
		// It is not canceled with any single one of its charges.
		go q.publishAll(context.WithoutCancel(ctx), next)
	}
}

// join adds a charge to the next batch of a counter. The caller has to publish the first one.
func (m *combiner) join(c counter, one *charge) (b *batch, first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, busy := m.next[c]
	if b == nil {
		b = &batch{counter: c, done: make(chan struct{})}
	}
	b.charges = append(b.charges, one)
	if m.next == nil {
		m.next = make(map[counter]*batch)
	}
	if busy {
		m.next[c] = b
	} else {
		m.next[c] = nil
	}
	return b, !busy
}

// take returns the charges that have arrived during a publish; nil if there are none.
func (m *combiner) take(c counter) *batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.next[c]
	if b == nil {
		delete(m.next, c)
	} else {
		m.next[c] = nil
	}
	return b
}

// publishAll adds a batch to its counter, and then those that arrive meanwhile.
func (q *Quota) publishAll(ctx context.Context, b *batch) {
	for ; b != nil; b = q.combiner.take(b.counter) {
		q.publish(ctx, b)
	}
}

func (q *Quota) publish(ctx context.Context, b *batch) {
	b.err = q.addBatch(ctx, b)
	close(b.done)
}

// addBatch adds a batch to its counter, or fails and reverses that.
func (q *Quota) addBatch(ctx context.Context, b *batch) error {
	id, sum := rand.Text(), 0
	for _, one := range b.charges {
		sum += one.units
	}
	value, err := q.add(ctx, q.buffered, b.counter, sum, id)
	if err != nil {
		undoing, cancel := settled(ctx)
		defer cancel()
		// The units may have been added; NATS ignores the repeated message then.
		_, undoErr := q.add(undoing, q.js, b.counter, sum, id)
		if undoErr == nil {
			_, undoErr = q.add(undoing, q.js, b.counter, -sum, id+".undo")
		}
		return errors.Join(err, undoErr)
	}
	used := value - sum
	for _, one := range b.charges {
		one.used = used + one.units
		// One that does not fit is reversed, and leaves its room to those that follow.
		if one.fits = one.used <= one.limit; one.fits {
			used = one.used
		}
	}
	return nil
}
