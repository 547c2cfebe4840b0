package simulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

const hangGuard = 30 * time.Second

// response is a response with its body, as far as it arrived.
type response struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request or of reading the body
}

// send sends a request with a key, on a connection of its own, so that tests that
// break connections do not affect each other.
func send(ctx context.Context, method, url, body string, header ...string) response {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return response{err: err}
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
	r, err := (&http.Client{Transport: transport, Timeout: hangGuard}).Do(request)
	if err != nil {
		return response{err: err}
	}
	defer r.Body.Close() //nolint:errcheck // It was read.
	data, err := io.ReadAll(r.Body)
	return response{status: r.StatusCode, header: r.Header, body: data, err: err}
}

func get(t *testing.T, url string, header ...string) response {
	t.Helper()
	return complete(t, send(t.Context(), http.MethodGet, url, "", header...))
}

func post(t *testing.T, url, body string, header ...string) response {
	t.Helper()
	return complete(t, send(t.Context(), http.MethodPost, url, body, header...))
}

// complete fails the test if a response did not arrive completely.
func complete(t *testing.T, a response) response {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a
}

// fields decodes a body that must be a JSON object.
func (a response) fields(t *testing.T) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(a.body, &fields); err != nil {
		t.Fatalf("status %d, the body is not a JSON object: %v", a.status, err)
	}
	return fields
}

// at returns a value in decoded JSON by keys and indexes.
func at(t *testing.T, value any, path ...any) any {
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

// keysInOrder returns the keys of a JSON object in the order of the wire.
func keysInOrder(t *testing.T, body []byte) []string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(body))
	var keys []string
	depth := 0
	expectKey := false
	for {
		token, err := decoder.Token()
		if err == io.EOF {
			return keys
		}
		if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				depth++
				expectKey = v == '{'
			default:
				depth--
				expectKey = true
			}
		case string:
			if depth == 1 && expectKey {
				keys = append(keys, v)
				expectKey = false
				continue
			}
			expectKey = true
		default:
			expectKey = true
		}
	}
}
