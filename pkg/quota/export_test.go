package quota

// Change is a message that adds to a counter.
var Change = change

// Turns returns how many owners' locks somebody holds or waits for.
func Turns(q *Quota) int {
	q.locks.mu.Lock()
	defer q.locks.mu.Unlock()
	return len(q.locks.byOwner)
}
