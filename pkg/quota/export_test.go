package quota

// Change is a message that adds to a counter.
var Change = change

// Turns tells how many names somebody has a turn of, or waits for one.
func Turns(q *Quota) int {
	q.turns.mu.Lock()
	defer q.turns.mu.Unlock()
	return len(q.turns.by)
}
