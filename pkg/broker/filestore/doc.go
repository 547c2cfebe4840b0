// Package filestore checks and repairs the directory of the embedded NATS server while no server runs on it.
//
// The server drops a stream whose configuration it cannot read, truncates a message block at the first record that does
// not match its checksum, and drops a consumer whose state it cannot decode, and starts nevertheless. This package detects
// such damage first. It repairs damage without loss where it can, from copies of the stream configurations in a manifest, and
// reports all other damage as a *DamageError.
//
// The formats are those of nats-server 2.15, which older servers since 2.10 share.
package filestore
