package brokertest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Cutter is a proxy in front of a NATS server. Once armed it drops the next acknowledgement of a stored job and closes the
// connection.
type Cutter struct {
	// Addr is the host and port for clients.
	Addr string
	// Armed is set by the test, and reset when an acknowledgement is dropped.
	Armed atomic.Bool
}

// NewCutter returns a proxy for a server's address that is closed when the test ends.
func NewCutter(t testing.TB, server string) *Cutter {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cutter{Addr: listener.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := new(net.Dialer).DialContext(context.WithoutCancel(t.Context()), "tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			wg.Go(func() { relay(upstream, client, nil) })
			wg.Go(func() { relay(client, upstream, c.cut) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return c
}

func (c *Cutter) cut(b []byte) bool {
	return bytes.Contains(b, []byte(`{"stream":"JOBS",`)) && c.Armed.CompareAndSwap(true, false)
}

// relay copies from one connection to the other until either is closed or cut returns true, and closes both.
func relay(to, from net.Conn, cut func([]byte) bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || (cut != nil && cut(buffer[:n])) {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
