package sse_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server/internal/pipetest"
	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
)

// serve serves streams that write is called with, and returns the URL.
func serve(t *testing.T, write func(s *sse.Stream)) string {
	t.Helper()
	var open sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := sse.Open(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		open.Go(func() { s.AwaitClient(func() {}) })
		open.Go(func() { write(s) })
	}))
	t.Cleanup(func() {
		server.Close()
		open.Wait()
	})
	return server.URL
}

func TestStream(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 100<<10)
	url := serve(t, func(s *sse.Stream) {
		for _, send := range []func() error{
			func() error { return s.Start("7") },
			func() error { return s.Send(sse.NewEvent("running", "8", []byte(`{"n":1}`))) },
			func() error { return s.Send(sse.NewEvent("queued", "", []byte(`{}`))) },
			s.KeepAlive,
			func() error { return s.Send(sse.NewEvent("queued", "", []byte(large))) },
		} {
			if err := send(); err != nil {
				t.Error(err)
			}
		}
		s.SendRandomRetry()
		s.End()
	})
	want := regexp.MustCompile(`^retry: 2000\nid: 7\n\nevent: running\nid: 8\ndata: {"n":1}\n\nevent: queued\ndata: {}\n\n: keep-alive\n\n` +
		`event: queued\ndata: x+\n\nretry: [1-4]\d{3}\n\n$`)
	for _, protocol := range []string{"HTTP/1.1", "HTTP/1.0"} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = fmt.Fprintf(conn, "GET / %s\r\nHost: x\r\n\r\n", protocol)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil || !want.Match(body) || len(body) < len(large) {
			t.Errorf("%s: %v, stream %q", protocol, err, body)
		}
		if got := resp.Header.Get("Content-Type"); got != "text/event-stream" || !resp.Close {
			t.Errorf("%s: content type %q, close %v", protocol, got, resp.Close)
		}
		_ = conn.Close()
	}
}

// TestDisconnect checks that a stream notices that its client has disconnected, though nothing is written.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s, err := sse.Open(w, r); err != nil {
			t.Error(err)
		} else {
			go s.AwaitClient(func() { close(gone) })
		}
	}))
	defer server.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\nmore than a request"); err != nil {
		t.Fatal(err)
	}
	if _, err = bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	select {
	case <-gone:
	case <-time.After(2 * time.Minute):
		t.Error("not noticed")
	}
}

// TestWriteTimeout writes to a client that does not read.
func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := sse.Open(w, r)
			if err != nil {
				ended <- err
				return
			}
			go s.AwaitClient(func() {})
			go func() {
				ended <- s.Send(sse.NewEvent("running", "1.1", make([]byte, 1<<20)))
				s.End()
			}()
		})
		pipetest.Serve(t, h, func(conn net.Conn) {
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil); err != nil { //nolint:bodyclose // It is not read.
				t.Fatal(err)
			}
			began := time.Now()
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("write error %v", err)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("write failed after %v", took)
			}
			// The connection is closed, not ended, so that the client knows that its last event is incomplete.
			if rest, err := io.ReadAll(conn); err != nil || bytes.HasSuffix(rest, []byte("0\r\n\r\n")) {
				t.Errorf("%v, %q", err, rest)
			}
		})
	})
}
