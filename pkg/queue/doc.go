// Package queue owns the stream of queued jobs: it stores a job durably with one acknowledged publish, finds it by owner and id,
// returns its position, delivers it to workers and removes it.
//
// Package store holds the results of jobs; package control holds circuit breakers and pauses.
package queue
