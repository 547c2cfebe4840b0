// Package ratelimit bounds what one client may do: [Limiter] counts attempts within a window of time, [Concurrency] counts
// what is in use at once. Both keep their counts in the memory of one process; several processes each count for themselves.
package ratelimit
