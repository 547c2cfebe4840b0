// Package ratelimit limits clients: [Limiter] limits attempts within a window of time, [Concurrency] concurrent use. Both count
// in memory, each process separately.
package ratelimit
