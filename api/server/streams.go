package server

import (
	"errors"
	"strconv"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// sharedStreams is how many times MAX_STREAMS_PER_CALLER all guests of one address may have together. A new cookie
	// costs nothing, so a bound by cookie alone would be none.
	sharedStreams = 10
	// waitsPerStream is how many times MAX_STREAMS_PER_CALLER a caller may have requests that wait. There may be one for
	// each of its jobs, and they end by themselves after a minute.
	waitsPerStream = 10
	// retryStreams is when a stream may have been closed, in seconds.
	retryStreams = 10
)

// errStreamsFull is why a stream or wait is refused that exceeds MAX_STREAMS.
var errStreamsFull = errors.New("as many streams or waiting requests as MAX_STREAMS allows")

// reserveStream takes a place for an event stream of a caller. It fails with a problem: 429 when the caller has too many,
// 503 when the process has. It costs no request; release gives the place back.
func (s *Server) reserveStream(who caller) (release func(), err error) {
	most := s.cfg.MaxStreamsPerCaller
	bounds := []quantity{{"address " + who.address, sharedStreams * most}}
	switch {
	case who.lane == job.LaneMember:
		bounds = []quantity{{"member " + who.owner, most}}
	case who.named():
		bounds = append(bounds, quantity{"guest " + who.owner, most})
	default:
		bounds = append(bounds, quantity{"anonymous " + who.address, most})
	}
	return reservePlace(&s.streams, s.cfg.MaxStreams, bounds, "")
}

// reserveWait takes a place for a request that waits for a job, in the same way.
func (s *Server) reserveWait(who caller) (release func(), err error) {
	key := "address " + who.address
	if who.lane == job.LaneMember {
		key = "member " + who.owner
	}
	return reservePlace(&s.waits, s.cfg.MaxStreams, []quantity{{key, waitsPerStream * s.cfg.MaxStreamsPerCaller}}, "wait")
}

func reservePlace(places *concurrency, total int, bounds []quantity, reason string) (release func(), err error) {
	release, exceeded, ok := places.reserve(total, bounds...)
	switch {
	case ok:
		return release, nil
	case exceeded == nil:
		return nil, &problem{code: codeUnavailable, reason: "streams", retryAfter: retryStreams, cause: errStreamsFull}
	}
	return nil, &problem{
		code: codeTooManyStreams, reason: reason, retryAfter: retryStreams, args: map[string]string{"max": strconv.Itoa(exceeded.max)},
		extra: map[string]any{"retry_after": retryStreams},
	}
}
