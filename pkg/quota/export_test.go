package quota

// Change is a message that adds to a counter.
var Change = change

// Locks returns the number of owner locks that are held or waited for.
func Locks(q *Quota) int {
	q.locks.mu.Lock()
	defer q.locks.mu.Unlock()
	return len(q.locks.byOwner)
}
