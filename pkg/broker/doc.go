// Package broker owns the connection to NATS: an embedded server with its file store, or an external one. It declares
// all streams, buckets and consumers, in declare.go, and defines all names and subjects, in names.go; no other package
// does.
//
// It knows nothing about jobs beyond their subjects.
package broker
