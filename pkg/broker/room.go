package broker

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// What the server answers to a publish when it can store no more. 10077 says it of the limits of one stream, and then of
// the number of messages too.
const (
	codeStoreFailed = 10077
	codeNoResources = 10023
	codeNoStorage   = 10047
	// codeAccountFull says it of the limits of the account.
	codeAccountFull = 10002

	describeMaxMessages = "maximum messages exceeded"
)

// NoRoom reports whether NATS refused a publish because its storage, or the stream's share of it, is used up, or because
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

// TooMany reports whether NATS refused a publish because the stream holds as many messages as it may.
func TooMany(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeStoreFailed && api.Description == describeMaxMessages
}

// codeTooManyRequests is the answer to a publish or request that finds the server's queue for the stream full.
const codeTooManyRequests = 10167

// Overloaded reports whether NATS refused a publish because too many others wait at the stream. It was not stored, and may
// be tried again.
func Overloaded(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == codeTooManyRequests
}
