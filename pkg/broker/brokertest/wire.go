package brokertest

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Message is one message on its way between a client and a server.
type Message struct {
	// FromClient reports whether the client sends the message.
	FromClient bool
	Subject    string
	// Data is the payload, including headers.
	Data []byte
}

// Wire is a proxy in front of a NATS server that can delay single messages: it simulates a server that is slow or silent for
// some requests only.
type Wire struct {
	// URL is the URL for clients.
	URL string

	target   string
	listener net.Listener
	wg       sync.WaitGroup
	closed   chan struct{}

	mu     sync.Mutex
	filter func(Message) <-chan struct{}
	conns  map[net.Conn]struct{}
}

// NewWire returns a proxy of the server at url that is closed when the test ends.
func NewWire(t testing.TB, url string) *Wire {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	w := &Wire{
		URL: "nats://" + listener.Addr().String(), target: strings.TrimPrefix(url, "nats://"), listener: listener,
		closed: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		close(w.closed)
		_ = listener.Close()
		w.Cut()
		w.wg.Wait()
	})
	return w
}

// Hold calls f for every message. A message for which f returns a channel is delayed until the channel is closed, while later
// messages pass. A nil f delays nothing.
func (w *Wire) Hold(f func(Message) <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.filter = f
}

// Cut closes all connections. Delayed messages on them are lost.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Close()
	}
}

func (w *Wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns[client], w.conns[server] = struct{}{}, struct{}{}
		w.mu.Unlock()
		w.wg.Go(func() { w.carry(server, client, true) })
		w.wg.Go(func() { w.carry(client, server, false) })
	}
}

// carry copies one direction, message by message, until either connection is closed.
func (w *Wire) carry(to, from net.Conn, fromClient bool) {
	broken := make(chan struct{})
	var writing sync.Mutex
	write := func(frame []byte) {
		writing.Lock()
		defer writing.Unlock()
		_, _ = to.Write(frame)
	}
	defer func() {
		close(broken)
		_, _ = to.Close(), from.Close()
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.conns, to)
		delete(w.conns, from)
	}()
	for reader := bufio.NewReader(from); ; {
		frame, message, err := readFrame(reader)
		if err != nil {
			return
		}
		if held := w.held(message, fromClient); held != nil {
			w.wg.Go(func() {
				select {
				case <-held:
					write(frame)
				case <-broken:
				case <-w.closed:
				}
			})
			continue
		}
		write(frame)
	}
}

func (w *Wire) held(m *Message, fromClient bool) <-chan struct{} {
	w.mu.Lock()
	filter := w.filter
	w.mu.Unlock()
	if m == nil || filter == nil {
		return nil
	}
	m.FromClient = fromClient
	return filter(*m)
}

// readFrame reads one line of the NATS protocol with its payload. The message is nil for a line without one.
func readFrame(r *bufio.Reader) (frame []byte, m *Message, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, nil, err
	}
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return []byte(line), nil, nil
	}
	switch strings.ToUpper(fields[0]) {
	case "PUB", "HPUB", "MSG", "HMSG":
	default:
		return []byte(line), nil, nil
	}
	size, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return nil, nil, err
	}
	const lineEnd = 2
	frame = append([]byte(line), make([]byte, size+lineEnd)...)
	payload := frame[len(line):]
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, nil, err
	}
	return frame, &Message{Subject: fields[1], Data: payload[:size]}, nil
}
