// Package wiretest sends requests to the simulator and takes the responses apart, for the tests of all hosts.
package wiretest

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// Timeout bounds a request, so that a test that hangs fails.
const Timeout = 2 * time.Minute

// Response is a response with its body, as far as it arrived.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error // of the request or of reading the body
}

// Send sends a request with a key, on a connection of its own, so that tests that
// break connections do not affect each other.
func Send(ctx context.Context, method, url, body string, header ...string) Response {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Response{Err: err}
	}
	request.Header.Set("Authorization", "Bearer sk_test")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n+1 < len(header); n += 2 {
		if header[n+1] == "" {
			request.Header.Del(header[n])
			continue
		}
		request.Header.Set(header[n], header[n+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	r, err := (&http.Client{Transport: transport, Timeout: Timeout}).Do(request)
	if err != nil {
		return Response{Err: err}
	}
	defer r.Body.Close() //nolint:errcheck // It was read.
	data, err := io.ReadAll(r.Body)
	return Response{Status: r.StatusCode, Header: r.Header, Body: data, Err: err}
}

// Get sends a GET request and fails the test if the response does not arrive completely.
func Get(t *testing.T, url string, header ...string) Response {
	t.Helper()
	return Complete(t, Send(t.Context(), http.MethodGet, url, "", header...))
}

// Post sends a POST request and fails the test if the response does not arrive completely.
func Post(t *testing.T, url, body string, header ...string) Response {
	t.Helper()
	return Complete(t, Send(t.Context(), http.MethodPost, url, body, header...))
}

// Serve serves a request without a connection, as fuzz tests need it, with a raw query and header fields in pairs of name and
// value.
func Serve(t *testing.T, handler http.Handler, method, path, query, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if query != "" {
		request.URL.RawQuery = query
	}
	for n := 0; n+1 < len(header); n += 2 {
		request.Header.Set(header[n], header[n+1])
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// Complete fails the test if a response did not arrive completely.
func Complete(t *testing.T, a Response) Response {
	t.Helper()
	if a.Err != nil {
		t.Fatal(a.Err)
	}
	return a
}

// Fields decodes a body that must be a JSON object.
func (a Response) Fields(t *testing.T) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(a.Body, &fields); err != nil {
		t.Fatalf("status %d, the body is not a JSON object: %v", a.Status, err)
	}
	return fields
}

// At returns a value in decoded JSON by keys and indexes.
func At(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch key := step.(type) {
		case string:
			object, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("%v: not an object before %q", path, key)
			}
			value = object[key]
		case int:
			list, ok := value.([]any)
			if !ok || key >= len(list) {
				t.Fatalf("%v: no element %d", path, key)
			}
			value = list[key]
		}
	}
	return value
}
