// Package sse writes streams of server-sent events.
package sse

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
)

const (
	// reconnectAfter is how long a client waits before it reconnects, in milliseconds.
	reconnectAfter = 2000
	// minSpread and maxSpread bound the same for clients whose stream ends because the process stops: hundreds of them that
	// reconnect to another process at the same moment would keep it from anything else.
	minSpread = 1000
	maxSpread = 5000
)

// Stream is one response of server-sent events.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// SetHeaders sets the headers of a stream.
func SetHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// Open sends the headers of a stream, so that the client knows at once that it is open. A client remembers an id that comes
// before the first event and sends it when it reconnects; an empty id leaves the one that it has.
func Open(w http.ResponseWriter, id string) (*Stream, error) {
	SetHeaders(w.Header())
	w.WriteHeader(http.StatusOK)
	s := &Stream{w: w, control: http.NewResponseController(w)}
	head := fmt.Appendf(nil, "retry: %d\n", reconnectAfter)
	if id != "" {
		head = fmt.Appendf(head, "id: %s\n", id)
	}
	return s, s.write(append(head, '\n'))
}

// Send writes one event. An event without an id leaves the one that the client remembers.
func (s *Stream) Send(name, id string, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", name)
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return s.write(b.Bytes())
}

// KeepAlive writes a comment, so that no proxy takes a silent stream for a dead one.
func (s *Stream) KeepAlive() error { return s.write([]byte(": keep-alive\n\n")) }

// SendRandomRetry has the client reconnect after a random delay.
func (s *Stream) SendRandomRetry() {
	_ = s.write(fmt.Appendf(nil, "retry: %d\n\n", minSpread+rand.IntN(maxSpread-minSpread))) //nolint:gosec // Not a secret.
}

func (s *Stream) write(data []byte) error {
	if _, err := s.w.Write(data); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush event: %w", err)
	}
	return nil
}
