package server

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// streamRetry is how long a browser waits before it comes back, in milliseconds.
const streamRetry = 2000

const (
	// stopRetryMin and stopRetrySpread bound the same, in milliseconds, for readers whose stream ends because the process stops:
	// hundreds of them coming back to another process at the same moment would keep it from anything else.
	stopRetryMin    = 1000
	stopRetrySpread = 4000
)

// stream is one open answer of server-sent events.
type stream struct {
	c       *gin.Context
	control *http.ResponseController
}

// openStream sends the headers of a stream, so that the caller knows at once that it stands. A reader remembers an id that
// comes before the first event, and sends it when it comes back; "" leaves the one that it has.
func (h *eventHandler) openStream(c *gin.Context, id string) (*stream, error) {
	waitsLong(c, telemetry.LongStream)
	streamHeaders(c)
	c.Status(http.StatusOK)
	st := &stream{c: c, control: http.NewResponseController(c.Writer)}
	head := fmt.Appendf(nil, "retry: %d\n", streamRetry)
	if id != "" {
		head = fmt.Appendf(head, "id: %s\n", id)
	}
	return st, st.write(append(head, '\n'))
}

func streamHeaders(c *gin.Context) {
	c.Header("Content-Type", "text/event-stream")
	c.Header("Cache-Control", "no-cache, no-transform")
	c.Header("X-Accel-Buffering", "no")
}

// send writes one event. An event without an id leaves the one that the reader remembers.
func (st *stream) send(name, id string, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", name)
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return st.write(b.Bytes())
}

// keepAlive writes a comment, so that no proxy takes a silent stream for a dead one.
func (st *stream) keepAlive() error { return st.write([]byte(": keep-alive\n\n")) }

// spread has the reader come back at a moment of its own.
func (st *stream) spread() {
	_ = st.write(fmt.Appendf(nil, "retry: %d\n\n", stopRetryMin+rand.IntN(stopRetrySpread))) //nolint:gosec // Any will do.
}

func (st *stream) write(data []byte) error {
	if _, err := st.c.Writer.Write(data); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := st.control.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}

// pump hands the events of a reader to show until they end, the caller is gone or the server stops. Whatever the
// reason, the answer ends in good order and the caller may come back.
func (h *eventHandler) pump(st *stream, r *feed.Reader, show func(feed.Event) error) {
	h.metrics.StreamsOpen.Inc()
	defer h.metrics.StreamsOpen.Dec()
	quiet := time.NewTicker(h.keepAlive)
	defer quiet.Stop()
	look := time.NewTicker(h.keepAlive)
	defer look.Stop()
	for {
		var err error
		select {
		case <-look.C:
			if !h.sessions.StillValid(st.c) {
				return
			}
		case e, open := <-r.Events():
			if !open {
				if stopping(r.Err()) {
					st.spread()
				}
				h.countSlow(r.Err())
				return
			}
			err = show(e)
			quiet.Reset(h.keepAlive)
		case <-quiet.C:
			err = st.keepAlive()
		}
		if err != nil {
			h.countSlow(err)
			return
		}
	}
}

// countSlow counts a stream that ended because its reader did not keep up.
func (h *eventHandler) countSlow(err error) {
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
