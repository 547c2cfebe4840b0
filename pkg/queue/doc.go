// Package queue owns the stream of jobs: it makes a job durable with one acknowledged publish, finds it again by owner
// and id, tells its place in the queue, hands it to workers and takes it out.
//
// It never decides how a job ends; that is written in package store.
package queue
