// Package broker owns the connection to NATS: an embedded server with its file store, or an external one. It declares
// every stream, bucket and consumer, once, in declare.go, and it defines every name and subject, in names.go; nothing
// else in the program does.
//
// It knows nothing about jobs beyond their subjects, and it never reads or writes a message.
package broker
