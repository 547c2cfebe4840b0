package kv

import "time"

// SetRetryFor sets for how long Create and Change retry a write because of conflicts.
func (b *Bucket[T]) SetRetryFor(d time.Duration) { b.retryFor = d }
