// Package kv stores typed values in NATS key-value buckets: one Bucket for each type of value.
//
// It exists for compare-and-set: Update writes only if the value was not written since it was read, and Change repeats reading,
// editing and writing until it succeeds. It publishes to the bucket's stream instead of using jetstream.KeyValue, which cannot
// give a changed value a time to live, reads from replicas that may be behind, and always leaves a marker when it deletes.
//
// A bucket does not cache. Each method says what it costs in requests to NATS.
package kv
