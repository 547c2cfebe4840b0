// Package store owns the data of jobs outside the queue: the bucket of progress, the bucket of results with their media,
// the stream of dead letters, and the cache, which names the jobs whose results identical ones may copy. Each method is a single
// read or write; package jobs knows their order.
//
// A terminal record is created once: a second write returns the first record. Media are protected in the same way: their bytes
// are stored under their hash, which the record names. Those that are stored before the record, as images of a set are, have a manifest,
// which is created once.
package store
