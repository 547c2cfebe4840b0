// Package queue owns the stream of jobs: it stores a job durably with one acknowledged publish, finds it by owner and id, returns
// its position, delivers it to workers and removes it.
//
// How a job ended is stored by package store; circuit breakers and pauses are in package control.
package queue
