// Package sse writes streams of server-sent events.
package sse

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
)

const (
	// reconnectAfter is how long clients wait before they reconnect, in milliseconds.
	reconnectAfter = 2000
	// minSpread and maxSpread bound the wait when the process stops, so that its clients do not all reconnect to another
	// process at the same moment.
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

// Open sends the headers of a stream and, if it is not empty, an id. A client that reconnects before the first event sends
// this id.
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

// Send writes one event. With an empty id the client keeps its last id.
func (s *Stream) Send(name, id string, data []byte) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "event: %s\n", name)
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "data: %s\n\n", data)
	return s.write(b.Bytes())
}

// KeepAlive writes a comment, so that proxies do not close a silent stream.
func (s *Stream) KeepAlive() error { return s.write([]byte(": keep-alive\n\n")) }

// SendRandomRetry makes the client reconnect after a random delay.
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
