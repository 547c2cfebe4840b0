package server_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// TestImageOptionsAreShown submits all options of the upstream and reads their normalized values in the job.
func TestImageOptionsAreShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, safe := range []any{true, "true"} {
		resp := b.submit(t, fields{"kind": "image", "input": fields{
			"prompt": "p", "model": "klein", "safe": safe, "guidance_scale": 7.5, "reasoning": "Pro",
			"reference_images": []any{"https://a.example/x.png", "http://b.example"},
		}})
		resp.expect(t, http.StatusAccepted)
		var v view
		resp.decode(t, &v)
		for name, want := range map[string]any{
			"safe": "true", "guidance_scale": 7.5, "reasoning": "pro",
			"reference_images": []any{"https://a.example/x.png", "http://b.example"},
		} {
			if got := v.Input[name]; !reflect.DeepEqual(got, want) {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
}

// TestReferenceURLsAreNotEchoed checks that a rejected URL with a password is not in the response.
func TestReferenceURLsAreNotEchoed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	resp := b.submit(t, fields{"kind": "image", "input": fields{
		"prompt": "p", "model": "klein", "reference_images": []any{"https://me:hush@a.example/x.png"},
	}})
	resp.problem(t, http.StatusBadRequest, "invalid_request")
	if strings.Contains(string(resp.body), "hush") {
		t.Errorf("%s", resp.body)
	}
}

// TestSafeSpellingsShareIdempotencyKey repeats a request with another spelling of the same boolean.
func TestSafeSpellingsShareIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := func(safe any) fields { return fields{"kind": "image", "input": fields{"prompt": "p", "safe": safe}} }
	key := idempotencyKey("one-key")
	b.submit(t, body(true), key).expect(t, http.StatusAccepted)
	again := b.submit(t, body("true"), key)
	if again.expect(t, http.StatusAccepted); !again.replayed() {
		t.Error("another job was created")
	}
	b.submit(t, body(false), key).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
}
