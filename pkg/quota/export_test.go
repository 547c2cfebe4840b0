package quota

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
