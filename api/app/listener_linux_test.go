package app

import (
	"io"
	"net"
	"testing"
)

// TestCloseResetsNoConnection closes a port while connections with data are in the accept queue. Accept returns them all, and
// no new connection is possible.
func TestCloseResetsNoConnection(t *testing.T) {
	t.Parallel()
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newGracefulListener(plain)
	const waiting = 20
	var clients []net.Conn
	for range waiting {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", plain.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", plain.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
	for n := 0; ; n++ {
		c, err := l.Accept()
		if err != nil {
			if n != waiting {
				t.Errorf("%d connections were accepted: %v", n, err)
			}
			break
		}
		if _, err := io.CopyN(c, c, 1); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
	for _, c := range clients {
		if data, err := io.ReadAll(c); err != nil || string(data) != "x" {
			t.Errorf("received %q, %v", data, err)
		}
	}
}
