package broker

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// The responses to a publish when the server can store no more. 10077 means the limits of one stream, including its number
// of messages.
const (
	codeStoreFailed = 10077
	codeNoResources = 10023
	codeNoStorage   = 10047
	// codeAccountFull means the limits of the account.
	codeAccountFull = 10002

	describeMaxMessages = "maximum messages exceeded"
)

// NoRoom reports whether NATS refused a publish because its storage, or the stream's share of it, is exhausted, or because
// its disk is full.
func NoRoom(err error) bool {
	if errors.Is(err, ErrDiskFull) {
		return true
	}
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case codeNoResources, codeNoStorage, codeAccountFull:
		return true
	case codeStoreFailed:
		return api.Description != describeMaxMessages
	}
	return false
}

// TooMany reports whether NATS refused a publish because the stream has reached its maximum number of messages.
func TooMany(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeStoreFailed && api.Description == describeMaxMessages
}

// codeTooManyRequests is the response to a publish or request when the server's queue for the stream is full.
const codeTooManyRequests = 10167

// Overloaded reports whether NATS refused a publish because too many others are waiting for the stream. It was not stored and may
// be retried.
func Overloaded(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeTooManyRequests
}
