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

// openAndEnd opens a stream while the process stops, and ends it.
func openAndEnd(c *gin.Context, id string) {
	if st, err := openStream(c, id); err == nil {
		st.SendRandomRetry()
	}
}

// stopping reports whether a stream failed because the server stops. The response is then a stream that ends at once: a
// browser reconnects after the end of a stream, but not after an error status.
func stopping(err error) bool { return errors.Is(err, lifetime.ErrStopping) }

// pump passes the events of a reader to send until they end, the client disconnects, its token becomes invalid, or the server
// stops. In each case the response ends normally and the client may reconnect.
func (h *eventHandler) pump(st *stream, r *feed.Reader, send func(feed.Event) error) {
	h.metrics.StreamsOpen.Inc()
	defer h.metrics.StreamsOpen.Dec()
	idle := time.NewTicker(h.keepAlive)
	defer idle.Stop()
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
			err = send(e)
			idle.Reset(h.keepAlive)
		case <-idle.C:
			err = st.KeepAlive()
		}
		if err != nil {
			h.countIfSlow(err)
			return
		}
	}
}

// countIfSlow counts a stream if err says that its client did not keep up.
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
