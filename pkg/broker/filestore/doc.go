// Package filestore checks and repairs the directory of the embedded NATS server while no server runs on it.
//
// The server drops a stream whose configuration it cannot read, cuts a message block off at the first record that does
// not match its checksum, and refuses a consumer whose state it cannot decode; none of it stops the start. This package
// finds such damage first. It repairs what can be repaired without loss, from copies of the configuration of each stream
// that it keeps in a manifest, and reports everything else as a *DamageError.
//
// The formats are those of nats-server 2.15, which older servers since 2.10 share.
package filestore
