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

// bodyLimit is the default read timeout of a body.
const bodyLimit = 15 * time.Second

// withStartupServer runs send and receive concurrently in a synctest bubble, on a connection to a server that is starting.
func withStartupServer(t *testing.T, send func(conn net.Conn), receive func(responses *bufio.Reader)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		handler, err := server.NewStartupHandler(server.Config{}, telemetry.NewMetrics(), discardLogger())
		must(t, err)
		srv := handler.HTTP(t.Context())
		conn, served := pipetest.Dial(srv)
		var sending sync.WaitGroup
		sending.Go(func() { send(conn) })
		receive(bufio.NewReader(conn))
		_ = conn.Close()
		sending.Wait()
		must(t, srv.Close())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// readResponse reads one response.
func readResponse(t *testing.T, responses *bufio.Reader, method string) *reply {
	t.Helper()
	resp, err := http.ReadResponse(responses, &http.Request{Method: method}) //nolint:bodyclose // It is read to the end.
	if err != nil {
		t.Errorf("no response: %v", err)
		return &reply{Response: &http.Response{}}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("the response is cut off: %v", err)
	}
	return &reply{resp, body}
}

// TestUnreadBodyHasADeadline sends bodies that never end to routes that do not read bodies.
func TestUnreadBodyHasADeadline(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		head   string
		every  string // sent every second
		status int
	}{
		"length on GET":   {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"length on HEAD":  {head: "HEAD /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"partial body":    {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", status: 408},
		"chunked":         {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", status: 408},
		"part of a chunk": {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", status: 408},
		// net/http does not report that the deadline passed.
		"no trailer":      {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", status: 200},
		"trickled":        {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", every: "x", status: 408},
		"trickled chunks": {head: "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", every: "1\r\nx\r\n", status: 408},
		"HTTP/1.0":        {head: "GET /livez HTTP/1.0\r\nContent-Length: 5\r\n\r\n", status: 408},
		"POST":            {head: "POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 503},
		"POST, trickled":  {head: "POST /api/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", every: "x", status: 503},
		"another method":  {head: "PUT /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"DELETE":          {head: "DELETE /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", status: 408},
		"no 100 Continue": {head: "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", status: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			withStartupServer(t, func(conn net.Conn) {
				_, err := io.WriteString(conn, tc.head)
				for err == nil && tc.every != "" {
					time.Sleep(time.Second)
					_, err = io.WriteString(conn, tc.every)
				}
			}, func(responses *bufio.Reader) {
				began := time.Now()
				method, _, _ := strings.Cut(tc.head, " ")
				resp := readResponse(t, responses, method)
				if resp.StatusCode != tc.status || time.Since(began) > bodyLimit {
					t.Errorf("status %d after %v: %s", resp.StatusCode, time.Since(began), resp.body)
				}
				if _, err := responses.ReadByte(); err == nil || time.Since(began) > bodyLimit+time.Second {
					t.Errorf("open after %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// TestConnectionSurvivesAnUnreadBody sends complete bodies, in several writes or all at once, to a route that does not
// read bodies.
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
			}, func(responses *bufio.Reader) {
				for n, status := range []int{200, 200, 200, 405, 200} {
					if resp := readResponse(t, responses, ""); resp.StatusCode != status || resp.Close {
						t.Errorf("response %d: %d, closed %v: %s", n, resp.StatusCode, resp.Close, resp.body)
					}
				}
			})
		})
	}
}

// serveWithReadTimeout serves the routes of b on another port with this read timeout and returns the address.
func (b *bundle) serveWithReadTimeout(t *testing.T, timeout time.Duration) string {
	t.Helper()
	base, stop := context.WithCancelCause(context.WithoutCancel(t.Context()))
	srv := b.server.HTTP(base)
	srv.ReadTimeout = timeout
	return serveHTTP(t, srv, func() error {
		stop(errors.New("the test ends"))
		return srv.Close()
	})
}

// TestEveryRouteTimesOutWithoutBody sends only the head of a request to every route, to unknown routes, and to some that
// reject it at once.
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
			// Concurrently, since routes that read the body wait for the whole timeout.
			all.Go(func() {
				if err := sendHeadAndDrain(conn, head+"\r\nHost: x\r\n"+length+"\r\n\r\n"); err != nil {
					t.Errorf("%q, %s: %v", head, length, err)
				}
			})
		}
	}
}

// sendHeadAndDrain sends the head of a request and reads the response up to the end of the connection.
func sendHeadAndDrain(conn net.Conn, head string) error {
	if _, err := io.WriteString(conn, head); err != nil {
		return err
	}
	method, _, _ := strings.Cut(head, " ")
	responses := bufio.NewReader(conn)
	resp, err := http.ReadResponse(responses, &http.Request{Method: method}) //nolint:bodyclose // It is read to the end.
	if err != nil {
		return fmt.Errorf("read the response: %w", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("read the response body: %w", err)
	}
	if _, err := responses.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s, and then: %w", resp.Status, err)
	}
	return nil
}

// TestUnfinishedBodyAfterResponse never sends the rest of a body that is too large.
func TestUnfinishedBodyAfterResponse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn := dial(t, b.serveWithReadTimeout(t, bodyLimit))
	_, err := io.WriteString(conn, "POST /api/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50000\r\n"+strings.Repeat(" ", server.MaxBody+10))
	must(t, err)
	got, err := io.ReadAll(conn)
	must(t, err)
	if !strings.HasPrefix(string(got), "HTTP/1.1 413 ") {
		t.Errorf("got %.200q", got)
	}
}

// TestBodyDeadlineDoesNotEndWaits waits several times longer than the deadline of a body.
func TestBodyDeadlineDoesNotEndWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(100*time.Millisecond), func(cfg *server.Config, _ *server.Deps) { cfg.SyncWait = 3 * time.Second })
	spec := b.push(t, imageSpec(job.OwnerAnonymous, "waiting"))
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
			responses := bufio.NewReader(conn)
			for range 2 { // The second time on the same connection.
				began := time.Now()
				_, err := io.WriteString(conn, tc.request)
				must(t, err)
				if resp := readResponse(t, responses, ""); resp.StatusCode != tc.status || time.Since(began) < 2500*time.Millisecond {
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
		defer func() { _, _ = conn.Close(), resp.Body.Close() }() // Closing only the body would read it to the end.
		lines := bufio.NewScanner(resp.Body)
		for began := time.Now(); time.Since(began) < 2*time.Second; {
			if !lines.Scan() {
				t.Fatalf("the stream ended after %v: %v", time.Since(began), lines.Err())
			}
		}
	})
}

// TestDisconnectIsDetectedAfterBody closes connections on which a request waits: a job whose client disconnected is canceled.
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
	eventually(t, "the job is queued", waiting)
	// The wait survives the deadline of the body.
	must(t, conn.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	if n, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !waiting() {
		t.Errorf("the wait was cut off: %d, %v", n, err)
	}
	must(t, conn.Close())
	eventually(t, "the job is canceled", func() bool { return !waiting() })

	spec := b.push(t, imageSpec(job.OwnerAnonymous, "watched"))
	conn = dial(t, addr)
	_, err = io.WriteString(conn, "GET /api/jobs/"+spec.ID+"/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
	must(t, err)
	b.awaitStreams(t, 1)
	must(t, conn.Close())
	b.awaitStreams(t, 0)
}
