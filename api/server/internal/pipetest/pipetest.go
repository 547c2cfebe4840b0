// Package pipetest serves a handler on an in-memory connection, whose deadlines follow the clock of a synctest bubble.
package pipetest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"
)

// listener is a net.Listener of in-memory connections.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error   { close(l.closed); return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

// Dial serves srv on one connection. It returns the client's end, and a channel that receives the result of srv.Serve.
func Dial(srv *http.Server) (client net.Conn, served <-chan error) {
	l := listener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	result := make(chan error, 1)
	go func() { result <- srv.Serve(l) }()
	client, end := net.Pipe()
	l.conns <- end
	return client, result
}

// Serve serves h on one connection and calls client with the other end. It returns after the server has shut down.
func Serve(t *testing.T, h http.Handler, client func(conn net.Conn)) {
	t.Helper()
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	conn, served := Dial(srv)
	client(conn)
	_ = conn.Close()
	if err := srv.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
