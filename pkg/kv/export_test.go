package kv

import "time"

// SetRetryFor changes for how long Create and Change repeat a write because of conflicts.
func (b *Bucket[T]) SetRetryFor(d time.Duration) { b.retryFor = d }
