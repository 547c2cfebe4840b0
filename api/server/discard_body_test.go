package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/api/server/internal/pipetest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// bodyLimit is how long a body may take.
const bodyLimit = 15 * time.Second

// doorway runs send and receive side by side in a bubble, on a connection to a server that is starting.
func withStartupServer(t *testing.T, send func(conn net.Conn), receive func(answers *bufio.Reader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d, err := server.NewStartupHandler(server.Config{}, telemetry.NewMetrics(), discardLogger())
		must(t, err)
		srv := d.HTTP(t.Context())
		mine, served := pipetest.Dial(srv)
		var sending sync.WaitGroup
		sending.Go(func() { send(mine) })
		receive(bufio.NewReader(mine))
		_ = mine.Close()
		sending.Wait()
		must(t, srv.Close())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// next reads one answer.
func readResponse(t *testing.T, answers *bufio.Reader, method string) *reply {
	t.Helper()
	resp, err := http.ReadResponse(answers, &http.Request{Method: method}) //nolint:bodyclose // It is read to its end.
	if err != nil {
		t.Errorf("no answer: %v", err)
		return &reply{Response: &http.Response{}}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("the answer is cut off: %v", err)
	}
	return &reply{resp, body}
}

// TestUnreadBodyHasADeadline sends bodies that never end to routes that do not read them.
func TestUnreadBodyHasADeadline(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		head   string
		every  string // sent every second
		status int
	}{
		"length on GET":   {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"length on HEAD":  {head: "HEAD /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"part of it":      {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", status: 408},
		"chunked":         {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", status: 408},
		"part of a chunk": {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", status: 408},
		// net/http does not say that it was the time that ran out.
		"no trailer":          {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", status: 200},
		"trickled":            {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", every: "x", status: 408},
		"trickled chunks":     {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", every: "1\r\nx\r\n", status: 408},
		"HTTP/1.0":            {head: "GET /livez HTTP/1.0\r\nContent-Length: 5\r\n\r\n", status: 408},
		"POST":                {head: "POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 503},
		"POST, trickled":      {head: "POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", every: "x", status: 503},
		"another method":      {head: "PUT /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"DELETE":              {head: "DELETE /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"expected, not asked": {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withStartupServer(t, func(conn net.Conn) {
				_, err := io.WriteString(conn, tc.head)
				for err == nil && tc.every != "" {
					time.Sleep(time.Second)
					_, err = io.WriteString(conn, tc.every)
				}
			}, func(answers *bufio.Reader) {
				began := time.Now()
				method, _, _ := strings.Cut(tc.head, " ")
				resp := readResponse(t, answers, method)
				if resp.StatusCode != tc.status || time.Since(began) > bodyLimit {
					t.Errorf("status %d after %v: %s", resp.StatusCode, time.Since(began), resp.body)
				}
				if _, err := answers.ReadByte(); err == nil || time.Since(began) > bodyLimit+time.Second {
					t.Errorf("open after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// TestConnectionSurvivesAnUnreadBody sends whole bodies, each in a piece of its own or all at once, to a route that
// does not read them.
func TestConnectionSurvivesAnUnreadBody(t *testing.T) {
	t.Parallel()
	const plain = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
	pieces := []string{
		plain, "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello",
		"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n",
		"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", "hello", plain,
	}
	for name, sent := range map[string][]string{"one after the other": pieces, "pipelined": {strings.Join(pieces, "")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withStartupServer(t, func(conn net.Conn) {
				for n, piece := range sent {
					if n > 0 {
						time.Sleep(2 * time.Second)
					}
					if _, err := io.WriteString(conn, piece); err != nil {
						t.Error(err)
					}
				}
			}, func(answers *bufio.Reader) {
				for n, status := range []int{200, 200, 200, 405, 200} {
					if resp := readResponse(t, answers, ""); resp.StatusCode != status || resp.Close {
						t.Errorf("answer %d: %d, closed %v: %s", n, resp.StatusCode, resp.Close, resp.body)
					}
				}
			})
		})
	}
}

// hurry serves the routes of b with a short read deadline and returns the address.
func (b *bundle) serveWithReadTimeout(t *testing.T, within time.Duration) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	base, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	srv := b.server.HTTP(base)
	srv.ReadTimeout = within
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	t.Cleanup(func() {
		stop(errors.New("the test ends"))
		must(t, srv.Close())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(2*hang)))
	return conn
}

// TestEveryRouteTimesOutWithoutBody sends the head of a request alone to every route, to those that there are not, and to
// some that refuse it at once.
func TestEveryRouteTimesOutWithoutBody(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.AdminKey = adminKey })
	addr := b.serveWithReadTimeout(t, 100*time.Millisecond)
	heads := []string{
		"GET /nowhere", "POST /nowhere", "PUT /api/jobs", "POST /livez", "OPTIONS /api/jobs",
		"POST /api/jobs HTTP/1.1\r\nSec-Fetch-Site: cross-site", "POST /api/jobs HTTP/1.1\r\nContent-Type: text/plain",
		"POST /api/images/save HTTP/1.1\r\nAuthorization: Bearer x",
	}
	for _, r := range b.server.Routes() {
		heads = append(heads, r.Method+" "+strings.NewReplacer(":", "x", "*path", "js/app.js").Replace(r.Path))
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, head := range heads {
		if !strings.Contains(head, "HTTP/1.1") {
			head += " HTTP/1.1"
		}
		for _, length := range []string{"Content-Length: 5", "Content-Length: 200000", "Content-Length: 300000000", "Transfer-Encoding: chunked"} {
			conn := dial(t, addr)
			// All at once, since those that read their body take as long as it may.
			all.Go(func() {
				if err := sendHeadAndDrain(conn, head+"\r\nHost: x\r\n"+length+"\r\n\r\n"); err != nil {
					t.Errorf("%q, %s: %v", head, length, err)
				}
			})
		}
	}
}

// answered sends the head of a request and reads the answer and the end of the connection.
func sendHeadAndDrain(conn net.Conn, head string) error {
	if _, err := io.WriteString(conn, head); err != nil {
		return err
	}
	method, _, _ := strings.Cut(head, " ")
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, &http.Request{Method: method}) //nolint:bodyclose // It is read to its end.
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("read the body of the answer: %w", err)
	}
	if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s, and then: %w", resp.Status, err)
	}
	return nil
}

// TestUnfinishedBodyAfterResponse has the rest of a body that is too large never come.
func TestUnfinishedBodyAfterResponse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := dial(t, b.serveWithReadTimeout(t, bodyLimit))
	_, err := io.WriteString(conn, "POST /api/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50000\r\n"+strings.Repeat(" ", server.MaxBody+10))
	must(t, err)
	answer, err := io.ReadAll(conn)
	must(t, err)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 413 ") {
		t.Errorf("got %.200q", answer)
	}
}

// TestBodyDeadlineDoesNotEndWaits waits several times as long as a body may take.
func TestBodyDeadlineDoesNotEndWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, deps *server.Deps) {
		cfg.SyncWait, deps.KeepAlive = 3*time.Second, 100*time.Millisecond
	})
	spec := b.push(t, newSpec(job.OwnerAnonymous, "waiting", job.KindImage, imageInput()))
	addr := b.serveWithReadTimeout(t, 500*time.Millisecond)
	path := "/api/jobs/" + spec.ID
	for name, tc := range map[string]struct {
		request string
		status  int
	}{
		"long poll":           {"GET " + path + "?wait=3 HTTP/1.1\r\nHost: x\r\n\r\n", 200},
		"long poll with body": {"GET " + path + "?wait=3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 200},
		"synchronous":         {"POST /api/pollinations/image HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"a\"}", 504},
		"Prefer: wait":        {"POST /api/jobs HTTP/1.1\r\nHost: x\r\nPrefer: wait=3\r\nTransfer-Encoding: chunked\r\n\r\n2a\r\n" + goodBody + "\r\n0\r\n\r\n", 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, addr)
			answers := bufio.NewReader(conn)
			for range 2 { // The second time on the same connection.
				began := time.Now()
				_, err := io.WriteString(conn, tc.request)
				must(t, err)
				if resp := readResponse(t, answers, ""); resp.StatusCode != tc.status || time.Since(began) < 2500*time.Millisecond {
					t.Errorf("status %d after %v: %s", resp.StatusCode, time.Since(began), resp.body)
				}
			}
		})
	}
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, addr)
		_, err := io.WriteString(conn, "GET "+path+"/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		defer func() { _, _ = conn.Close(), resp.Body.Close() }() // A body that goes on would be read to its end.
		lines := bufio.NewScanner(resp.Body)
		for began := time.Now(); time.Since(began) < 2*time.Second; {
			if !lines.Scan() {
				t.Fatalf("the stream ended after %v: %v", time.Since(began), lines.Err())
			}
		}
	})
}

// TestDisconnectIsDetectedAfterBody closes connections on which a request waits: jobs that nobody waits for any
// longer are canceled.
func TestDisconnectIsDetectedAfterBody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	addr := b.serveWithReadTimeout(t, 200*time.Millisecond)
	conn := dial(t, addr)
	_, err := io.WriteString(conn, "POST /api/pollinations/image HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"a\"}")
	must(t, err)
	waiting := func() bool {
		n, _, err := b.queue.Depth(t.Context(), job.KindImage, job.LaneGuest)
		return err == nil && n > 0
	}
	eventually(t, "the job waits", waiting)
	// The deadline of the body passes, and nothing happens.
	must(t, conn.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !waiting() {
		t.Errorf("the wait was cut off: %d, %v", n, err)
	}
	must(t, conn.Close())
	eventually(t, "the job is canceled", func() bool { return !waiting() })

	spec := b.push(t, newSpec(job.OwnerAnonymous, "watched", job.KindImage, imageInput()))
	conn = dial(t, addr)
	_, err = io.WriteString(conn, "GET /api/jobs/"+spec.ID+"/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	must(t, err)
	eventually(t, "the stream is open", func() bool { return b.metric(t, "sse_streams_open") == 1 })
	must(t, conn.Close())
	eventually(t, "the stream is closed", func() bool { return b.metric(t, "sse_streams_open") == 0 })
}
