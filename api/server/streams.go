package server

import (
	"errors"
	"strconv"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// streamsPerAddress is the factor by which all guests of one address together may exceed MAX_STREAMS_PER_CALLER. A limit
	// by cookie alone would be ineffective, since a new cookie is free.
	streamsPerAddress = 10
	// waitsPerStream is the same factor for the waiting requests of a caller. There may be one for each of its jobs, and they
	// end after a minute.
	waitsPerStream = 10
	// retryStreams is when to retry, in seconds.
	retryStreams = 10
)

// streamLimits bounds the event streams and waiting requests of this process, in total and by caller.
type streamLimits struct {
	maxPerCaller, maxTotal int
	streams, waits         ratelimit.Concurrency
}

// errStreamsFull is the cause of the problem when MAX_STREAMS is reached.
var errStreamsFull = errors.New("MAX_STREAMS is reached")

// reserveStream reserves an event stream for a caller. It returns a problem with 429 if the caller has too many streams, and
// with 503 if the process has.
func (l *streamLimits) reserveStream(caller session.Caller) (release func(), err error) {
	limit := l.maxPerCaller
	bounds := []ratelimit.Bound{{Key: "address " + caller.Address, Max: streamsPerAddress * limit}}
	switch {
	case caller.Lane == job.LaneMember:
		bounds = []ratelimit.Bound{{Key: "member " + caller.Owner, Max: limit}}
	case caller.Named():
		bounds = append(bounds, ratelimit.Bound{Key: "guest " + caller.Owner, Max: limit})
	default:
		bounds = append(bounds, ratelimit.Bound{Key: "anonymous " + caller.Address, Max: limit})
	}
	return reserveUnit(&l.streams, l.maxTotal, bounds, "")
}

// reserveWait reserves a request that waits for a job, like reserveStream.
func (l *streamLimits) reserveWait(caller session.Caller) (release func(), err error) {
	key := "address " + caller.Address
	if caller.Lane == job.LaneMember {
		key = "member " + caller.Owner
	}
	return reserveUnit(&l.waits, l.maxTotal, []ratelimit.Bound{{Key: key, Max: waitsPerStream * l.maxPerCaller}}, "wait")
}

func reserveUnit(in *ratelimit.Concurrency, total int, bounds []ratelimit.Bound, reason string) (release func(), err error) {
	release, exceeded, ok := in.Reserve(total, bounds...)
	switch {
	case ok:
		return release, nil
	case exceeded == nil:
		return nil, &problem.Problem{Code: problem.CodeUnavailable, Reason: "streams", RetryAfter: retryStreams, Cause: errStreamsFull}
	}
	tooMany := &problem.Problem{Code: problem.CodeTooManyStreams, Reason: reason, Args: map[string]string{"max": strconv.Itoa(exceeded.Max)}}
	return nil, tooMany.RetryIn(retryStreams)
}
