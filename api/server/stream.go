package server

import (
	"errors"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// stream is an event stream of a request.
type stream struct {
	*sse.Stream
	c *gin.Context
}

// openStream opens the event stream of a request.
func openStream(c *gin.Context, id string) (*stream, error) {
	markLongRequest(c, telemetry.LongStream)
	st, err := sse.Open(c.Writer, id)
	return &stream{st, c}, err
}

// openAndEnd opens a stream in a process that stops, and ends it.
func openAndEnd(c *gin.Context, id string) {
	if st, err := openStream(c, id); err == nil {
		st.SendRandomRetry()
	}
}

// stopping reports whether a stream could not be opened because the server stops. It is opened and ended then: a browser
// reconnects after a stream that has ended, and never after an error status.
func stopping(err error) bool { return errors.Is(err, lifetime.ErrStopping) }

// pump passes the events of a reader to show until they end, the client is gone, its token becomes invalid, or the server
// stops. Whatever the reason, the response ends properly and the client may reconnect.
func (h *eventHandler) pump(st *stream, r *feed.Reader, show func(feed.Event) error) {
	h.metrics.StreamsOpen.Inc()
	defer h.metrics.StreamsOpen.Dec()
	quiet := time.NewTicker(h.keepAlive)
	defer quiet.Stop()
	validate := time.NewTicker(h.keepAlive)
	defer validate.Stop()
	for {
		var err error
		select {
		case <-validate.C:
			if !h.sessions.StillValid(st.c) {
				return
			}
		case e, open := <-r.Events():
			if !open {
				if stopping(r.Err()) {
					st.SendRandomRetry()
				}
				h.countIfSlow(r.Err())
				return
			}
			err = show(e)
			quiet.Reset(h.keepAlive)
		case <-quiet.C:
			err = st.KeepAlive()
		}
		if err != nil {
			h.countIfSlow(err)
			return
		}
	}
}

// countIfSlow counts a stream that ended because its client did not keep up.
func (h *eventHandler) countIfSlow(err error) {
	if errors.Is(err, feed.ErrSlow) || isTimeout(err) {
		h.metrics.SlowReadersDropped.Inc()
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}
