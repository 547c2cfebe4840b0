// Package store owns what is stored of jobs outside the queue: the bucket of progress, the bucket of results with their media,
// and the stream of dead letters. Every method is a single write or read; package jobs knows their order.
//
// A terminal record is created once: whoever comes second gets the first one. Media are protected in the same way: their bytes
// are stored under their hash, and their manifest is created once.
package store
