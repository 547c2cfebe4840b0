package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
)

// pipes is a listener whose connections are in memory, so that their deadlines follow the clock of a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// converse serves a handler on one connection in memory and hands its other end to talk.
func converse(t *testing.T, h http.Handler, talk func(conn net.Conn)) {
	t.Helper()
	listener := pipes{conns: make(chan net.Conn, 1), closed: make(chan struct{})}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	mine, theirs := net.Pipe()
	listener.conns <- theirs
	talk(mine)
	_ = mine.Close()
	if err := srv.Shutdown(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

func TestCallerWhoDoesNotReadIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		h := server.Patient(func(w http.ResponseWriter) {
			_, err := w.Write(make([]byte, 1<<20))
			ended <- err
		})
		converse(t, h, func(conn net.Conn) {
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			must(t, err)
			began := time.Now()
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("ended with %v", err)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("left after %v", took)
			}
		})
	})
}

func TestCallerWhoReadsSlowlyIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 512 << 10
		h := server.Patient(func(w http.ResponseWriter) {
			if n, err := w.Write(make([]byte, size)); err != nil || n != size {
				t.Errorf("wrote %d: %v", n, err)
			}
		})
		converse(t, h, func(conn net.Conn) {
			began := time.Now()
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			must(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(&slow{conn}), nil)
			must(t, err)
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n != size {
				t.Errorf("read %d: %v", n, err)
			}
			_ = resp.Body.Close()
			if took := time.Since(began); took < time.Minute {
				t.Errorf("it took %v, which shows nothing", took)
			}
		})
	})
}

// slow reads a little at a time.
type slow struct{ io.Reader }

func (s *slow) Read(p []byte) (int, error) {
	<-time.After(time.Second)
	return s.Reader.Read(p[:min(len(p), 8<<10)])
}

func TestBodyThatDoesNotArrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		codes := make(chan string, 1)
		converse(t, server.BodyReader(func(code string) { codes <- code }), func(conn net.Conn) {
			_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
			must(t, err)
			began := time.Now()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			if code := <-codes; code != "request_timeout" || time.Since(began) != 15*time.Second {
				t.Errorf("%s after %v", code, time.Since(began))
			}
		})
	})
}
