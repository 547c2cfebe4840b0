// Package provider has the providers among which a worker chooses: those of the file that UPSTREAMS names, in order, with
// what each can do. It reads the file, creates the clients and merges the lists of models; package generate decides which
// provider serves a job.
package provider
