package upstream_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// Connections are reused after successful and failed calls, one for each slot.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	const slots, rounds = 6, 5
	var opened atomic.Int32
	var gathered sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// All calls of a round are held until the last one arrives, so that each needs its own connection.
		gathered.Done()
		gathered.Wait()
		if strings.HasSuffix(r.URL.Path, "/bad") {
			http.Error(w, strings.Repeat("x", 4000), http.StatusBadGateway)
			return
		}
		_, _ = io.WriteString(w, "good")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	transport := upstream.NewTransport(upstream.Options{Slots: slots})
	t.Cleanup(transport.CloseIdleConnections)
	c := upstream.Caller{HTTP: &http.Client{Transport: transport}}
	for range rounds {
		gathered.Add(slots)
		var calls sync.WaitGroup
		for n := range slots {
			calls.Go(func() {
				request := upstream.Request{Method: http.MethodGet, URL: server.URL + "/good", MaxBytes: 100}
				if n%2 == 0 {
					request.URL = server.URL + "/bad"
				}
				var body []byte
				if err := c.Do(t.Context(), request, readAll(&body)); (err == nil) != (n%2 == 1) {
					t.Errorf("call %d: %v", n, err)
				}
			})
		}
		calls.Wait()
	}
	if got := opened.Load(); got != slots {
		t.Errorf("%d connections for %d calls, want %d", got, slots*rounds, slots)
	}
}

// The transport uses the proxies of the environment.
func TestProxy(t *testing.T) {
	t.Parallel()
	transport := upstream.NewTransport(upstream.Options{})
	t.Cleanup(transport.CloseIdleConnections)
	if reflect.ValueOf(transport.Proxy).Pointer() != reflect.ValueOf(http.ProxyFromEnvironment).Pointer() {
		t.Error("proxies of the environment are not used")
	}
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+" "+r.URL.Host) })
	transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }
	c := upstream.Caller{HTTP: &http.Client{Transport: transport}}
	var body []byte
	if err := c.Do(t.Context(), newRequest("http://host.invalid"), readAll(&body)); err != nil || string(body) != "GET host.invalid" {
		t.Errorf("got %q, %v", body, err)
	}
}

// A redirect is an error, whatever its status, and is not followed.
func TestRedirectsAreErrors(t *testing.T) {
	t.Parallel()
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") })
	for _, status := range []int{301, 302, 303, 307, 308} {
		base := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, status) })
		c := newCaller(t)
		c.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return errors.New("redirect policy called") }
		err := c.Do(t.Context(), newRequest(base), func(*upstream.Response) error { return nil })
		f, is := errors.AsType[*fault.Error](err)
		if !is || f.Status != status || f.Class != fault.Retryable || f.Code != job.CodeUnavailable {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// endless is a transport whose responses never end. It counts the bytes that are read.
type endless struct {
	status int
	header http.Header
	read   atomic.Int64
	closed atomic.Bool
}

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: e.status, Header: e.header, ContentLength: -1, Body: e, Request: r}, nil
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read.Add(int64(len(p)))
	return len(p), nil
}

func (e *endless) Close() error {
	e.closed.Store(true)
	return nil
}

// Of an endless body only little more than the limit is read.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	const limit, spare = 1 << 20, 20 << 10
	rows := []struct {
		name   string
		status int
		header http.Header
		most   int64
		code   string
	}{
		{"response", 200, http.Header{}, limit + spare, job.CodeInvalidAnswer},
		{"compressed response", 200, http.Header{"Content-Encoding": {"gzip"}}, limit + spare, job.CodeInvalidAnswer},
		{"error", 500, http.Header{}, 64<<10 + spare, job.CodeUnavailable},
		{"error page", 403, http.Header{"Content-Type": {"text/html"}}, 64<<10 + spare, job.CodeUnavailable},
		{"redirect", 302, http.Header{"Location": {"http://elsewhere.invalid"}}, 64<<10 + spare, job.CodeUnavailable},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			body := &endless{status: r.status, header: r.header}
			c := upstream.Caller{HTTP: &http.Client{Transport: body}}
			request := upstream.Request{Method: http.MethodGet, URL: "http://example.invalid", MaxBytes: limit}
			var data []byte
			err := c.Do(t.Context(), request, readAll(&data))
			f, is := errors.AsType[*fault.Error](err)
			if !is || f.Code != r.code {
				t.Errorf("got %v, want %s", err, r.code)
			}
			if got := body.read.Load(); got > r.most {
				t.Errorf("read %d bytes, want at most %d", got, r.most)
			}
			if !body.closed.Load() {
				t.Error("the body was left open")
			}
		})
	}
}

// Amend gets the redacted error, and its changes are observed and bounded.
func TestAmend(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":"`+canaryPrompt+strings.Repeat(" and more", 1000)+`"}`)
	})
	c := newCaller(t)
	code := ""
	request := newRequest(base)
	request.Amend = func(f *fault.Error) {
		if strings.Contains(f.Detail, "yellow") {
			t.Error("the user's text is not redacted")
		}
		f.Class, f.Code, f.Detail = fault.Misconfigured, job.CodeMisconfigured, "change this: "+f.Detail
	}
	c.Observe = func(_ string, _ int, got string, _ time.Duration) { code = got }
	failure, is := errors.AsType[*fault.Error](c.Do(t.Context(), request, func(*upstream.Response) error { return nil }))
	if !is || failure.Class != fault.Misconfigured || code != job.CodeMisconfigured {
		t.Fatalf("got %v, observed %q", failure, code)
	}
	if !strings.HasPrefix(failure.Detail, "change this: ") || len(failure.Detail) > 2<<10 {
		t.Errorf("detail of %d bytes: %.40q", len(failure.Detail), failure.Detail)
	}
}
