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

// answer is a response with its body read to the end, or as far as it came.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request or of reading the body
}

// send makes one request with a key, on a connection of its own so that a
// test that breaks connections disturbs no other.
func send(ctx context.Context, method, url, body string, header ...string) answer {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
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
	response, err := (&http.Client{Transport: transport, Timeout: hangGuard}).Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	data, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: data, err: err}
}

func get(t *testing.T, url string, header ...string) answer {
	t.Helper()
	return whole(t, send(t.Context(), http.MethodGet, url, "", header...))
}

func post(t *testing.T, url, body string, header ...string) answer {
	t.Helper()
	return whole(t, send(t.Context(), http.MethodPost, url, body, header...))
}

// whole fails the test when an answer did not arrive in full.
func whole(t *testing.T, a answer) answer {
	t.Helper()
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a
}

// fields decodes a body that must be a JSON object.
func (a answer) fields(t *testing.T) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(a.body, &fields); err != nil {
		t.Fatalf("status %d, body is no JSON object: %v", a.status, err)
	}
	return fields
}

// at walks into decoded JSON by keys and indexes.
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

// keysInOrder lists the keys of a JSON object as they stand on the wire.
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
