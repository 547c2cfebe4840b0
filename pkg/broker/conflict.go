package broker

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Conflict reports whether NATS refused a publish because its subject was not in the expected state: another writer
// has written, or in a cluster is about to. One server and a cluster return different codes.
func Conflict(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode {
	case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
		return true
	}
	return false
}
