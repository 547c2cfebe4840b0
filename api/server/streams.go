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
	// sharedStreams is how many times MAX_STREAMS_PER_CALLER all guests of one address may have together. A new cookie is
	// free, so a limit by cookie alone would be none.
	sharedStreams = 10
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
func (l *streamLimits) reserveStream(who session.Caller) (release func(), err error) {
	most := l.maxPerCaller
	bounds := []ratelimit.Bound{{Key: "address " + who.Address, Max: sharedStreams * most}}
	switch {
	case who.Lane == job.LaneMember:
		bounds = []ratelimit.Bound{{Key: "member " + who.Owner, Max: most}}
	case who.Named():
		bounds = append(bounds, ratelimit.Bound{Key: "guest " + who.Owner, Max: most})
	default:
		bounds = append(bounds, ratelimit.Bound{Key: "anonymous " + who.Address, Max: most})
	}
	return reservePlace(&l.streams, l.maxTotal, bounds, "")
}

// reserveWait reserves a request that waits for a job, in the same way.
func (l *streamLimits) reserveWait(who session.Caller) (release func(), err error) {
	key := "address " + who.Address
	if who.Lane == job.LaneMember {
		key = "member " + who.Owner
	}
	return reservePlace(&l.waits, l.maxTotal, []ratelimit.Bound{{Key: key, Max: waitsPerStream * l.maxPerCaller}}, "wait")
}

func reservePlace(places *ratelimit.Concurrency, total int, bounds []ratelimit.Bound, reason string) (release func(), err error) {
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
