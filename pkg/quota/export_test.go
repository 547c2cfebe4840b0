package quota

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// Change is a message that adds to a counter.
var Change = change

// MaxTallies bounds the counters that a process remembers.
const MaxTallies = maxTallies

// Tallies returns how many counters this process remembers, and how many reservations are held.
func Tallies(q *Quota) (counters, holders int) {
	q.tallies.mu.Lock()
	defer q.tallies.mu.Unlock()
	for _, t := range q.tallies.by {
		holders += t.holders
	}
	return len(q.tallies.by), holders
}

// ChargeTogether charges units to the daily counter of an owner in one publish, with the same limit for each, and returns the new
// value for each that fits and 0 for the others.
func ChargeTogether(ctx context.Context, q *Quota, owner, day string, limit int, units ...int) []int {
	c := counterOf(broker.UsageDay, owner, day)
	// A charge that is in progress makes the others wait.
	q.combiner.join(c, &charge{})
	charges := make([]*charge, len(units))
	for i, n := range units {
		charges[i] = &charge{limit: limit, units: n}
		q.combiner.join(c, charges[i])
	}
	q.publishAll(ctx, q.combiner.take(c))
	values := make([]int, len(units))
	for i, one := range charges {
		if one.fits {
			values[i] = one.used
		}
	}
	return values
}

// Hold makes charges to the daily counter of an owner wait, as for a charge that is in progress. It returns a function that returns how
// many wait, and one that publishes them.
func Hold(ctx context.Context, q *Quota, owner, day string) (waiting func() int, publish func()) {
	c := counterOf(broker.UsageDay, owner, day)
	q.combiner.join(c, &charge{})
	waiting = func() int {
		q.combiner.mu.Lock()
		defer q.combiner.mu.Unlock()
		if b := q.combiner.next[c]; b != nil {
			return len(b.charges)
		}
		return 0
	}
	return waiting, func() { q.publishAll(ctx, q.combiner.take(c)) }
}

// Combining returns the number of counters that are being changed.
func Combining(q *Quota) int { return len(q.combiner.next) }
