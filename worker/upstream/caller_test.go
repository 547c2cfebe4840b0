package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// newCaller returns a caller with its own transport, whose connections are closed after the test.
func newCaller(t *testing.T) *upstream.Caller {
	t.Helper()
	transport := upstream.NewTransport(upstream.Options{ConnectTimeout: 5 * time.Second})
	t.Cleanup(transport.CloseIdleConnections)
	return &upstream.Caller{
		Upstream:  job.UpstreamImage,
		HTTP:      &http.Client{Transport: transport},
		Key:       canaryKey,
		UserAgent: upstream.UserAgent("1.2.3"),
	}
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// newRequest returns a request whose URL contains the canary prompt.
func newRequest(base string) upstream.Request {
	return upstream.Request{
		Method:   http.MethodGet,
		URL:      base + "/generate/" + url.PathEscape(canaryPrompt) + "?seed=1",
		Accept:   "image/*",
		Private:  []string{canaryPrompt},
		MaxBytes: 1 << 20,
	}
}

func readAll(into *[]byte) func(*upstream.Response) error {
	return func(resp *upstream.Response) error {
		var err error
		*into, err = resp.ReadAll()
		return err
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"Authorization": "Bearer " + canaryKey, "Accept-Encoding": "identity",
			"User-Agent": "text2image-audio/1.2.3", "Accept": "image/*",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		if strings.Contains(r.RequestURI, canaryKey) {
			t.Error("the key is in the URL")
		}
		_, _ = io.WriteString(w, "the response")
	})
	var observed []string
	c := newCaller(t)
	c.Observe = func(name string, status int, code string, took time.Duration) {
		observed = append(observed, fmt.Sprintf("%s %d %q %v", name, status, code, took > 0))
	}
	var body []byte
	if err := c.Do(t.Context(), newRequest(base), readAll(&body)); err != nil {
		t.Fatal(err)
	}
	if string(body) != "the response" {
		t.Errorf("body is %q", body)
	}
	if want := `pollinations-image 200 "" true`; len(observed) != 1 || observed[0] != want {
		t.Errorf("observed %q, want once %q", observed, want)
	}
}

// All ways in which a call can fail.
func TestDoFaults(t *testing.T) {
	t.Parallel()
	echo := canaryPrompt + " " + url.PathEscape(canaryPrompt) + " " + canaryKey + " https://h/generate/x?key=" + canaryKey
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"error":{"message":`+strconv.Quote(echo)+`}}`)
		}
	}
	rows := []struct {
		name    string
		handler http.HandlerFunc
		class   fault.Class
		code    string
		status  int
	}{
		{"400", status(400), fault.Permanent, job.CodeRejected, 400},
		{"401", status(401), fault.Misconfigured, job.CodeMisconfigured, 401},
		{"429", status(429), fault.Throttled, job.CodeThrottled, 429},
		{"500", status(500), fault.Retryable, job.CodeUnavailable, 500},
		{"201", status(201), fault.Retryable, job.CodeInvalidAnswer, 201},
		{"plain text that quotes the request", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no: "+echo, http.StatusBadGateway)
		}, fault.Retryable, job.CodeUnavailable, 502},
		{"page that quotes the request", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html><title>"+echo+"</title>"+echo+"</html>")
		}, fault.Retryable, job.CodeUnavailable, 502},
		{"bare string that quotes the request", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, strconv.QuoteToASCII(echo))
		}, fault.Permanent, job.CodeRejected, 400},
		{"JSON of another format", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `["`+strconv.QuoteToASCII(canaryPrompt)+`", `+canaryKey)
		}, fault.Permanent, job.CodeRejected, 400},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.org"+r.URL.EscapedPath()+"?key="+canaryKey, http.StatusFound)
		}, fault.Retryable, job.CodeUnavailable, 302},
		{"cut by Content-Length", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "short")
		}, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"cut inside a chunk", func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nshort")
		}, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"closed without a response", func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "")
		}, fault.Retryable, job.CodeUnavailable, 0},
		{"header cut off", func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-")
		}, fault.Retryable, job.CodeUnavailable, 0},
		{"not HTTP, quoting the request", func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, url.PathEscape(canaryPrompt)+"\r\n\r\n")
		}, fault.Retryable, job.CodeUnavailable, 0},
		{"Content-Length too large", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<20+1))
			w.WriteHeader(http.StatusOK)
		}, fault.Permanent, job.CodeTooLarge, 200},
		{"never ends", func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 64<<10); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"error that never ends", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			for block := []byte(strings.Repeat(echo, 100)); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}, fault.Throttled, job.CodeThrottled, 429},
		{"compressed error", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "as if compressed")
		}, fault.Retryable, job.CodeUnavailable, 500},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller(t)
			var observed atomic.Int32
			c.Observe = func(_ string, status int, code string, _ time.Duration) {
				observed.Add(1)
				if status != r.status || code != r.code {
					t.Errorf("observed %d %s, want %d %s", status, code, r.status, r.code)
				}
			}
			var body []byte
			err := c.Do(t.Context(), newRequest(serve(t, r.handler)), readAll(&body))
			requireRedacted(t, err)
			f, _ := errors.AsType[*fault.Error](err)
			if f.Class != r.class || f.Code != r.code || f.Status != r.status || f.Upstream != c.Upstream {
				t.Errorf("got %s %s %d of %q, want %s %s %d", f.Class, f.Code, f.Status, f.Upstream, r.class, r.code, r.status)
			}
			if strings.Contains(r.name, "compressed") && f.Detail != "" {
				t.Errorf("detail quotes compressed bytes: %q", f.Detail)
			}
			if observed.Load() != 1 {
				t.Errorf("observed %d times", observed.Load())
			}
		})
	}
}

// hijack responds with the given bytes and closes the connection.
func hijack(t *testing.T, w http.ResponseWriter, raw string) {
	t.Helper()
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = buffered.WriteString(raw)
	_ = buffered.Flush()
	_ = connection.Close()
}

func TestDoWithoutServer(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	err = newCaller(t).Do(t.Context(), newRequest(base), nil)
	requireRedacted(t, err)
	f, _ := errors.AsType[*fault.Error](err)
	if f.Class != fault.Retryable || f.Code != job.CodeUnavailable || f.Status != 0 {
		t.Errorf("got %+v", f)
	}
	if _, is := errors.AsType[*net.OpError](err); !is {
		t.Error("the cause is lost")
	}
}

func TestDoInvalidURL(t *testing.T) {
	t.Parallel()
	r := newRequest("http://example.org")
	r.URL = "http://exa mple.org/generate/" + canaryPrompt
	err := newCaller(t).Do(t.Context(), r, nil)
	requireRedacted(t, err)
}

func TestDoCanceled(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	why := errors.New("job was canceled")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-arrived
		cancel(why)
	}()
	err := newCaller(t).Do(ctx, newRequest(base), nil)
	requireRedacted(t, err)
	f, _ := errors.AsType[*fault.Error](err)
	if f.Class != fault.Canceled || f.Code != fault.CodeCanceled || !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}

func TestDoDeadline(t *testing.T) {
	t.Parallel()
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, cause := range map[string]error{"own cause": errors.New("attempt took too long"), "no cause": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeoutCause(t.Context(), 30*time.Millisecond, cause)
			defer cancel()
			err := newCaller(t).Do(ctx, newRequest(base), nil)
			requireRedacted(t, err)
			f, _ := errors.AsType[*fault.Error](err)
			if f.Class != fault.Retryable || f.Code != job.CodeTimeout || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if cause != nil && !errors.Is(err, cause) {
				t.Error("the cause is lost")
			}
		})
	}
}

func TestDoHeaderTimeout(t *testing.T) {
	t.Parallel()
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	transport := upstream.NewTransport(upstream.Options{})
	transport.ResponseHeaderTimeout = 20 * time.Millisecond
	t.Cleanup(transport.CloseIdleConnections)
	c := &upstream.Caller{HTTP: &http.Client{Transport: transport}}
	f, _ := errors.AsType[*fault.Error](c.Do(t.Context(), newRequest(base), nil))
	if f == nil || f.Code != job.CodeTimeout || f.Class != fault.Retryable {
		t.Errorf("got %v", f)
	}
}

// A connection is reused after a response of any kind.
func TestDoKeepsConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 8<<10))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := newCaller(t)
	for n := range 6 {
		r := newRequest(server.URL)
		if n%2 == 1 {
			r.Method, r.JSON = http.MethodPost, []byte(`{}`)
		}
		// The response is rejected after its first bytes, so that the rest remains unread.
		err := c.Do(t.Context(), r, func(resp *upstream.Response) error {
			_, err := bufio.NewReaderSize(resp, 16).Peek(1)
			if err != nil {
				return err
			}
			return upstream.InvalidResponse("rejected")
		})
		if err == nil {
			t.Fatal("no error")
		}
	}
	if opened.Load() != 1 {
		t.Errorf("%d connections for sequential calls, want 1", opened.Load())
	}
}
