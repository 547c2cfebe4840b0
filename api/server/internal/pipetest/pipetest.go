// Package pipetest serves a handler on a connection in memory, so that its deadlines follow the clock of a synctest bubble.
package pipetest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"
)

// listener returns connections that are in memory.
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

// Dial serves srv on one connection and returns the other end, and the channel on which the result of srv.Serve arrives.
func Dial(srv *http.Server) (client net.Conn, served <-chan error) {
	l := listener{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	result := make(chan error, 1)
	go func() { result <- srv.Serve(l) }()
	client, end := net.Pipe()
	l.conns <- end
	return client, result
}

// Serve serves h on one connection and passes its other end to client. It returns when the server has shut down.
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
