package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
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

	// The message, once it is sent: its ID, and the units of all charges.
	id   string
	sum  int
	sent *broker.Sent
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
	first := make([]*batch, 0, len(charges))
	for i, c := range counters {
		b, alone := q.combiner.join(c, &charges[i])
		if alone {
			first = append(first, b)
		}
		batches[i] = b
	}
	q.publish(ctx, first, func(b *batch) {
		// Those that have arrived meanwhile. They are not canceled with any single one of the charges.
		if next := q.combiner.take(b.counter); next != nil {
			go q.publishAll(context.WithoutCancel(ctx), next)
		}
	})
	for _, b := range batches {
		select {
		case <-b.done:
		case <-ctx.Done():
		}
	}
	return batches
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
		q.publish(ctx, []*batch{b}, func(*batch) {})
	}
}

// publish adds each batch to its counter, or fails and reverses that, and then calls answered. The messages are sent at once, so that it
// takes as long as one.
func (q *Quota) publish(ctx context.Context, batches []*batch, answered func(*batch)) {
	if len(batches) == 0 {
		return
	}
	attempt, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	for _, b := range batches {
		b.id = rand.Text()
		for _, one := range b.charges {
			b.sum += one.units
		}
		b.sent, b.err = q.broker.SendBuffered(change(b.counter.subject, b.sum, b.id))
	}
	failed := batches[:0:0]
	for _, b := range batches {
		var ack *jetstream.PubAck
		if b.err == nil {
			ack, b.err = b.sent.Wait(attempt)
		}
		value := 0
		if b.err == nil {
			value, b.err = q.acked(ctx, b.counter, ack)
		}
		if b.err != nil {
			failed = append(failed, b)
			continue
		}
		b.settle(value)
		answered(b)
	}
	_ = each(len(failed), func(i int) error {
		q.retry(ctx, failed[i])
		answered(failed[i])
		return nil
	})
}

// retry repeats a publish that has failed. If it fails as well, it reverses what either has added.
func (q *Quota) retry(ctx context.Context, b *batch) {
	// The units may have been added; NATS ignores the repeated message then.
	value, err := q.add(ctx, q.buffered, b.counter, b.sum, b.id)
	if err == nil {
		b.settle(value)
		return
	}
	undoing, cancel := settled(ctx)
	defer cancel()
	_, undoErr := q.add(undoing, q.js, b.counter, b.sum, b.id)
	if undoErr == nil {
		_, undoErr = q.add(undoing, q.js, b.counter, -b.sum, b.id+".undo")
	}
	b.err = errors.Join(err, undoErr)
	close(b.done)
}

// settle sets the outcomes of the charges, where value is that of the counter with them.
func (b *batch) settle(value int) {
	b.err = nil
	used := value - b.sum
	for _, one := range b.charges {
		one.used = used + one.units
		// One that does not fit is reversed, and leaves its room to those that follow.
		if one.fits = one.used <= one.limit; one.fits {
			used = one.used
		}
	}
	close(b.done)
}
