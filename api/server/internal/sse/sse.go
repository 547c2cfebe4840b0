// Package sse writes streams of server-sent events.
package sse

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

const (
	// reconnectAfter is how long clients wait before they reconnect, in milliseconds.
	reconnectAfter = 2000
	// minSpread and maxSpread bound the wait when the process stops, so that its clients do not all reconnect to another
	// process at the same moment.
	minSpread = 1000
	maxSpread = 5000

	// writeTimeout is how long a client may take to accept one part of an event, of at most partSize bytes.
	writeTimeout = 10 * time.Second
	partSize     = 32 << 10
	// linger is how long the client may take to close the connection after the end of the stream.
	linger = time.Second
	// maxInput is how many bytes a client may send on the connection of its stream.
	maxInput = 64 << 10
)

// Stream is one response of server-sent events. It has taken its connection over from net/http, which would keep some 25 KiB of
// buffers and stacks for it: a stream waits most of the time. Only one goroutine may write at a time.
type Stream struct {
	conn net.Conn
	// chunked is false for HTTP/1.0, whose responses end with the connection.
	chunked bool
	// failed is set after a write has failed.
	failed bool
}

// SetHeaders sets the headers of a stream.
func SetHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no")
}

// Open sends the headers of a stream and takes over its connection, so that the handler may return. The caller must call
// AwaitClient, which closes the connection. Open fails if the connection has more than one stream, as with HTTP/2, or cannot be
// written to.
func Open(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	SetHeaders(w.Header())
	w.Header().Set("Connection", "close")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err := control.Flush(); err != nil {
		return nil, fmt.Errorf("send headers of stream: %w", err)
	}
	conn, _, err := control.Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	return &Stream{conn: conn, chunked: r.ProtoAtLeast(1, 1)}, nil
}

// Start begins the stream with, if it is not empty, an id. A client that reconnects before the first event sends this id.
func (s *Stream) Start(id string) error {
	head := fmt.Appendf(begin(0), "retry: %d\n", reconnectAfter)
	if id != "" {
		head = fmt.Appendf(head, "id: %s\n", id)
	}
	return s.Send(finish(append(head, '\n')))
}

// Event is an event in the form in which every stream sends it.
type Event []byte

// NewEvent returns an event. With an empty id the client keeps its last id.
func NewEvent(name, id string, data []byte) Event {
	b := begin(len(name) + len(id) + len(data))
	b = append(append(append(b, "event: "...), name...), '\n')
	if id != "" {
		b = append(append(append(b, "id: "...), id...), '\n')
	}
	return finish(append(append(append(b, "data: "...), data...), "\n\n"...))
}

// KeepAlive writes a comment, so that proxies do not close a silent stream.
func (s *Stream) KeepAlive() error { return s.Send(finish(append(begin(0), ": keep-alive\n\n"...))) }

// SendRandomRetry makes the client reconnect after a random delay.
func (s *Stream) SendRandomRetry() {
	_ = s.Send(finish(fmt.Appendf(begin(0), "retry: %d\n\n", minSpread+rand.IntN(maxSpread-minSpread)))) //nolint:gosec // Not a secret.
}

// End ends the response. The client then closes the connection, or AwaitClient does.
func (s *Stream) End() {
	if s.chunked && !s.failed {
		_ = s.writeParts([]byte("0\r\n\r\n"))
	}
	if half, ok := s.conn.(interface{ CloseWrite() error }); ok && !s.failed {
		_ = half.CloseWrite()
		_ = s.conn.SetReadDeadline(time.Now().Add(linger))
		return
	}
	_ = s.conn.Close()
}

// AwaitClient waits until the client disconnects or, soon after End, until linger has passed. It calls gone and closes the
// connection. It discards what the client sends.
func (s *Stream) AwaitClient(gone func()) {
	var discarded [1]byte
	for range maxInput {
		if _, err := s.conn.Read(discarded[:]); err != nil {
			break
		}
	}
	gone()
	_ = s.conn.Close()
}

const (
	// chunkHead is the length of the size of a chunk, eight hexadecimal digits and a line break, and chunkTail of its end.
	chunkHead, chunkTail = 10, 2
	// fieldSpace is enough for the names of the fields of an event.
	fieldSpace = 40
)

// begin returns a buffer for an event with values of n bytes, which starts with space for the size of the chunk.
func begin(n int) []byte { return make([]byte, chunkHead, chunkHead+n+fieldSpace+chunkTail) }

// finish makes the content of a buffer of begin one chunk. Its size may have leading zeros.
func finish(b []byte) Event {
	copy(b, fmt.Sprintf("%08x\r\n", len(b)-chunkHead))
	return append(b, "\r\n"...)
}

// Send writes an event.
func (s *Stream) Send(e Event) error {
	if !s.chunked {
		e = e[chunkHead : len(e)-chunkTail]
	}
	return s.writeParts(e)
}

// writeParts writes in parts, each with a deadline: a slow client may receive a large event, and a dead one is detected.
func (s *Stream) writeParts(b []byte) error {
	for len(b) > 0 {
		_ = s.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		n, err := s.conn.Write(b[:min(len(b), partSize)])
		if err != nil {
			s.failed = true
			return fmt.Errorf("write event: %w", err)
		}
		b = b[n:]
	}
	return nil
}
