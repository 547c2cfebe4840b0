// Package kv stores values of one Go type in a NATS key-value bucket: one typed Bucket for each kind of value.
//
// It exists for compare-and-set: Update writes only if nobody else has written since the value was read, and Change repeats
// reading, editing and writing until it succeeds. It publishes to the bucket's stream instead of using jetstream.KeyValue,
// which cannot give a changed value a time to live, reads from replicas that may be behind, and deletes by leaving a marker.
//
// A bucket does not cache. Each method says what it costs in requests to NATS.
package kv
