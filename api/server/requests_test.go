package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/contracttest"
)

// option changes a request.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func cookie(c *http.Cookie) option {
	return func(r *http.Request) { r.AddCookie(c) }
}

// bearer authenticates with a token.
func bearer(token string) option { return header("Authorization", "Bearer "+token) }

func idempotencyKey(key string) option { return header("Idempotency-Key", key) }

func language(tag string) option { return header("Accept-Language", tag) }

// async asks the original's routes not to wait for the job.
var async = header("Prefer", "respond-async")

func preferWait(seconds int) option { return header("Prefer", fmt.Sprint("wait=", seconds)) }

// fromIP sends a request as if from a client at addr behind a trusted proxy; see behindProxy.
func fromIP(addr string) option { return header("X-Forwarded-For", addr) }

// reply is a response whose body has been read.
type reply struct {
	*http.Response
	body []byte
}

// request sends a request, checks the response against the contract and returns it. body is nil, a []byte, a string,
// an io.Reader, or a value to encode as JSON.
func (b *bundle) request(t testing.TB, method, path string, body any, options ...option) *reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	r := b.newRequest(ctx, t, method, path, body, options...)
	resp, err := b.client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	checkContract(t, r, resp, data)
	return &reply{resp, data}
}

func (b *bundle) get(t testing.TB, path string, options ...option) *reply {
	t.Helper()
	return b.request(t, http.MethodGet, path, nil, options...)
}

func (b *bundle) head(t testing.TB, path string, options ...option) *reply {
	t.Helper()
	return b.request(t, http.MethodHead, path, nil, options...)
}

func (b *bundle) post(t testing.TB, path string, body any, options ...option) *reply {
	t.Helper()
	return b.request(t, http.MethodPost, path, body, options...)
}

func (b *bundle) delete(t testing.TB, path string, options ...option) *reply {
	t.Helper()
	return b.request(t, http.MethodDelete, path, nil, options...)
}

// raw sends a request without cleaning or re-encoding its path.
func (b *bundle) raw(t testing.TB, method, path string, options ...option) *reply {
	t.Helper()
	return b.request(t, method, "", nil, append(options, func(r *http.Request) {
		r.URL.Opaque = strings.TrimPrefix(b.url, "http:") + path
	})...)
}

// submit submits a job by POST /api/jobs.
func (b *bundle) submit(t testing.TB, body any, options ...option) *reply {
	t.Helper()
	return b.post(t, "/api/jobs", body, options...)
}

// submitImage submits a job for one image.
func (b *bundle) submitImage(t testing.TB, options ...option) *reply {
	t.Helper()
	return b.submit(t, imageBody, options...)
}

// submitWithKey submits a job with an Idempotency-Key.
func (b *bundle) submitWithKey(t testing.TB, key string, body any, options ...option) *reply {
	t.Helper()
	return b.submit(t, body, append(options, idempotencyKey(key))...)
}

// cancel cancels a job by POST /api/jobs/{id}/cancel.
func (b *bundle) cancel(t testing.TB, id string, options ...option) *reply {
	t.Helper()
	return b.post(t, "/api/jobs/"+id+"/cancel", nil, options...)
}

// retry sends POST /api/jobs/{id}/retry.
func (b *bundle) retry(t testing.TB, id string, body any, options ...option) *reply {
	t.Helper()
	return b.post(t, "/api/jobs/"+id+"/retry", body, options...)
}

func (b *bundle) newRequest(ctx context.Context, t testing.TB, method, path string, body any, options ...option) *http.Request {
	t.Helper()
	var reader io.Reader
	switch v := body.(type) {
	case nil:
	case io.Reader:
		reader = v
	case []byte:
		reader = bytes.NewReader(v)
	case string:
		reader = strings.NewReader(v)
	default:
		reader = bytes.NewReader(marshal(t, v))
	}
	r, err := http.NewRequestWithContext(ctx, method, b.url+path, reader)
	must(t, err)
	for _, o := range options {
		o(r)
	}
	return r
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	must(t, err)
	return data
}

// contract reads the contract once for all tests.
var contract = sync.OnceValues(func() (*contracttest.Contract, error) { return contracttest.Read("../openapi.yaml") })

// checkContract checks a response against the contract.
func checkContract(t testing.TB, r *http.Request, resp *http.Response, body []byte) {
	t.Helper()
	c, err := contract()
	must(t, err)
	c.Check(t, r, resp, body)
}

// addr returns the host and port of the server.
func (b *bundle) addr() string { return strings.TrimPrefix(b.url, "http://") }

// dial opens a connection that is closed at the end of the test.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(2*hang)))
	return conn
}

// sendHead sends the head of a POST request that waits for 100 Continue before it sends body.
func (b *bundle) sendHead(t testing.TB, route, body string, who *session) net.Conn {
	t.Helper()
	conn := dial(t, b.addr())
	_, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", route, who.Token, len(body))
	must(t, err)
	return conn
}

// finalResponse reads a response, skipping those with status 100.
func finalResponse(t testing.TB, conn net.Conn) *reply {
	t.Helper()
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, nil)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusContinue {
			return &reply{resp, body}
		}
	}
}

// decode decodes the body from JSON.
func (r *reply) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("body %.300s: %v", r.body, err)
	}
}

// replayed reports whether the response is marked as an idempotent replay.
func (r *reply) replayed() bool { return r.Header.Get("Idempotent-Replayed") == "true" }

// expect fails the test when the response has another status.
func (r *reply) expect(t testing.TB, status int) *reply {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %.500s", r.Request.Method, r.Request.URL.Path, r.StatusCode, status, r.body)
	}
	return r
}

// fields is a JSON object.
type fields map[string]any

// fieldErrors are the errors of a request's fields.
type fieldErrors []struct{ Pointer, Code, Detail string }

// list returns the pointer and code of each error.
func (errs fieldErrors) list() []string {
	var list []string
	for _, e := range errs {
		list = append(list, e.Pointer+" "+e.Code)
	}
	return list
}

// problemBody is an error body of the native routes or of the original's routes.
type problemBody struct {
	Type, Title, Detail, Code, Error, Message string
	Status                                    int
	RequestID                                 string `json:"request_id"`
	Errors                                    fieldErrors
	Job                                       any
	Path                                      string
}

// problem checks that the response is a well-formed problem with this status and code.
func (r *reply) problem(t testing.TB, status int, code string) problemBody {
	t.Helper()
	f := r.errorBody(t, status, "application/problem+json")
	if f.Code != code || f.Status != status || f.Error != f.Detail || f.Type != "about:blank" || f.Title == "" ||
		f.RequestID != r.Header.Get("X-Request-Id") || r.Header.Get("Content-Language") == "" {
		t.Errorf("want code %s, status %d; got %s", code, status, r.body)
	}
	return f
}

// originalError checks that the response is an error of the original's routes with this status and code.
func (r *reply) originalError(t testing.TB, status int, code string) problemBody {
	t.Helper()
	f := r.errorBody(t, status, "application/json; charset=utf-8")
	if f.Code != code || f.Error == "" || f.RequestID != r.Header.Get("X-Request-Id") || f.Title != "" {
		t.Errorf("want code %s; got %s", code, r.body)
	}
	return f
}

func (r *reply) errorBody(t testing.TB, status int, contentType string) problemBody {
	t.Helper()
	r.expect(t, status)
	var f problemBody
	r.decode(t, &f)
	if got := r.Header.Get("Content-Type"); got != contentType {
		t.Errorf("content type %q, want %q", got, contentType)
	}
	return f
}

// accountErrorBody is an error body of the routes of accounts, feedback and saved images.
type accountErrorBody struct {
	Success    *bool
	Error      string
	Code       string
	Cause      string
	RetryAfter int `json:"retry_after"`
	Errors     fieldErrors
}

// accountError checks that the response is an accountErrorBody with this status and code.
func (r *reply) accountError(t testing.TB, status int, code string) accountErrorBody {
	t.Helper()
	r.expect(t, status)
	var f accountErrorBody
	r.decode(t, &f)
	if f.Success == nil || *f.Success || f.Error == "" || f.Code != code || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("want code %s; got %s, %v", code, r.body, r.Header)
	}
	return f
}

// expectTooManyActive checks that a submission was rejected because its owner has too many active jobs.
func (r *reply) expectTooManyActive(t testing.TB) {
	t.Helper()
	r.problem(t, http.StatusTooManyRequests, "too_many_active_jobs")
	if r.Header.Get("Retry-After") != "5" || r.Header.Get("Location") != "" {
		t.Errorf("headers %v", r.Header)
	}
}

// inParallel calls f the given number of times, with at most 64 calls at once.
func inParallel(times int, f func(n int)) {
	var wg sync.WaitGroup
	slots := make(chan struct{}, 64)
	for n := range times {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			f(n)
		})
	}
	wg.Wait()
}

// countStatuses calls f like inParallel and returns the number of responses by status.
func countStatuses(times int, f func(n int) *reply) map[int]int {
	var mu sync.Mutex
	counts := map[int]int{}
	inParallel(times, func(n int) {
		status := f(n).StatusCode
		mu.Lock()
		defer mu.Unlock()
		counts[status]++
	})
	return counts
}

// expectHeaders checks the values of headers; an empty value means that the header is absent.
func (r *reply) expectHeaders(t testing.TB, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %s is %q, want %q", r.Request.URL.Path, name, got, value)
		}
	}
}
