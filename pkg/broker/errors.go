package broker

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// describeMaxMessages distinguishes, among the errors with the code JSStreamStoreFailedF, a stream that holds its maximum
// number of messages.
const describeMaxMessages = "maximum messages exceeded"

// hasCode reports whether err is an error of the JetStream API with one of the codes.
func hasCode(err error, codes ...server.ErrorIdentifier) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && slices.Contains(codes, server.ErrorIdentifier(api.ErrorCode))
}

// isAny reports whether err is one of the targets.
func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}

// Conflict reports whether NATS refused a publish because its subject was not in the expected state: another writer
// has written, or in a cluster is about to. One server and a cluster return different codes.
func Conflict(err error) bool {
	return hasCode(err, server.JSStreamWrongLastSequenceErrF, server.JSStreamWrongLastSequenceConstantErr)
}

// NoRoom reports whether NATS refused a publish because its storage, or the stream's share of it, is exhausted, or because
// its disk is full.
func NoRoom(err error) bool {
	return errors.Is(err, ErrDiskFull) ||
		hasCode(err, server.JSInsufficientResourcesErr, server.JSStorageResourcesExceededErr, server.JSAccountResourcesExceededErr) ||
		hasCode(err, server.JSStreamStoreFailedF) && !TooMany(err)
}

// TooMany reports whether NATS refused a publish because the stream has reached its maximum number of messages.
func TooMany(err error) bool {
	var api *jetstream.APIError
	return hasCode(err, server.JSStreamStoreFailedF) && errors.As(err, &api) && api.Description == describeMaxMessages
}

// Overloaded reports whether NATS refused a publish because too many others are waiting for the stream. It was not stored and may
// be retried.
func Overloaded(err error) bool { return hasCode(err, server.JSStreamTooManyRequests) }

// NoQuorum reports whether an error means that a NATS cluster has no leader.
func NoQuorum(err error) bool {
	return errors.Is(err, ErrNoQuorum) || hasCode(err, server.JSClusterNotAvailErr)
}

// Unavailable reports whether an error comes from NATS starting, having no leaders or being unable to write to its disk,
// missing responses and lost connections included: the same request may succeed later.
func Unavailable(err error) bool {
	if isAny(err, ErrDiskFull, ErrDiskFailed, nats.ErrNoResponders, nats.ErrDisconnected) || isTimeout(err) {
		return true
	}
	// The servers so far are fewer than the replicas; the disk accepts no writes.
	if hasCode(err, server.JSClusterNoPeersErrF, server.JSStreamMsgDeleteFailedF, server.JSStreamPurgeFailedF) {
		return true
	}
	var api *jetstream.APIError
	return errors.As(err, &api) && api.Code == 503
}

func isTimeout(err error) bool { return isAny(err, context.DeadlineExceeded, nats.ErrTimeout) }

// isConcurrent reports whether an error may result from another process declaring the same at the same time: in a cluster a
// name can be taken by something that cannot be found yet.
func isConcurrent(err error) bool {
	return isAny(err, jetstream.ErrStreamNotFound, jetstream.ErrStreamNameAlreadyInUse, jetstream.ErrBucketNotFound,
		jetstream.ErrBucketExists, jetstream.ErrConsumerNotFound, jetstream.ErrConsumerExists)
}

// isRefusal reports whether NATS answered and refused the credentials.
func isRefusal(err error) bool {
	return isAny(err, nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrAuthRevoked, nats.ErrAccountAuthExpired,
		nats.ErrNkeysNotSupported)
}
