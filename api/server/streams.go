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
	// streamsPerAddress is how many times MAX_STREAMS_PER_CALLER all guests of one address may have together. A new cookie is
	// free, so a limit by cookie alone would be none.
	streamsPerAddress = 10
	// waitsPerStream is how many times MAX_STREAMS_PER_CALLER a caller may have requests that wait. There may be one for
	// each of its jobs, and they end after a minute.
	waitsPerStream = 10
	// retryStreams is when a stream may have been closed, in seconds.
	retryStreams = 10
)

// streamLimits bounds the event streams and waiting requests of this process, in total and by caller.
type streamLimits struct {
	maxPerCaller, maxTotal int
	streams, waits         ratelimit.Concurrency
}

// errStreamsFull is the cause of a stream or wait that exceeds MAX_STREAMS.
var errStreamsFull = errors.New("as many streams or waiting requests as MAX_STREAMS allows")

// reserveStream reserves an event stream for a caller. It fails with a problem: 429 when the caller has too many, 503
// when the process has.
func (l *streamLimits) reserveStream(caller session.Caller) (release func(), err error) {
	most := l.maxPerCaller
	bounds := []ratelimit.Bound{{Key: "address " + caller.Address, Max: streamsPerAddress * most}}
	switch {
	case caller.Lane == job.LaneMember:
		bounds = []ratelimit.Bound{{Key: "member " + caller.Owner, Max: most}}
	case caller.Named():
		bounds = append(bounds, ratelimit.Bound{Key: "guest " + caller.Owner, Max: most})
	default:
		bounds = append(bounds, ratelimit.Bound{Key: "anonymous " + caller.Address, Max: most})
	}
	return reserveUnit(&l.streams, l.maxTotal, bounds, "")
}

// reserveWait reserves a request that waits for a job, in the same way.
func (l *streamLimits) reserveWait(caller session.Caller) (release func(), err error) {
	key := "address " + caller.Address
	if caller.Lane == job.LaneMember {
		key = "member " + caller.Owner
	}
	return reserveUnit(&l.waits, l.maxTotal, []ratelimit.Bound{{Key: key, Max: waitsPerStream * l.maxPerCaller}}, "wait")
}

func reserveUnit(places *ratelimit.Concurrency, total int, bounds []ratelimit.Bound, reason string) (release func(), err error) {
	release, exceeded, ok := places.Reserve(total, bounds...)
	switch {
	case ok:
		return release, nil
	case exceeded == nil:
		return nil, &problem.Problem{Code: problem.CodeUnavailable, Reason: "streams", RetryAfter: retryStreams, Cause: errStreamsFull}
	}
	return nil, &problem.Problem{
		Code: problem.CodeTooManyStreams, Reason: reason, RetryAfter: retryStreams, Args: map[string]string{"max": strconv.Itoa(exceeded.Max)},
		Extra: map[string]any{"retry_after": retryStreams},
	}
}
