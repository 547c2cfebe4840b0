package server_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// TestImageOptionsAreShown submits all that is handed on to the upstream and reads it in the job, as it will be worked.
func TestImageOptionsAreShown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, safe := range []any{true, "true"} {
		resp := b.submit(t, fields{"kind": "image", "input": fields{
			"prompt": "p", "model": "klein", "safe": safe, "guidance_scale": 7.5, "reasoning": "Pro",
			"reference_images": []any{"https://a.example/x.png", "http://b.example"},
		}})
		resp.expect(t, http.StatusAccepted)
		var view struct{ Input map[string]any }
		if err := json.Unmarshal(resp.body, &view); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]any{
			"safe": "true", "guidance_scale": 7.5, "reasoning": "pro",
			"reference_images": []any{"https://a.example/x.png", "http://b.example"},
		} {
			if got := view.Input[name]; !reflect.DeepEqual(got, want) {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
}

// TestReferenceURLsAreNotEchoed refuses addresses with a password in them and looks for it in the answer.
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

// TestSafeSpellingsShareIdempotencyKey repeats a request with another spelling of the same truth value.
func TestSafeSpellingsShareIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := func(safe any) fields { return fields{"kind": "image", "input": fields{"prompt": "p", "safe": safe}} }
	key := idempotencyKey("one-key")
	b.submit(t, body(true), key).expect(t, http.StatusAccepted)
	again := b.submit(t, body("true"), key)
	if again.expect(t, http.StatusAccepted); !again.replayed() {
		t.Error("it made another job")
	}
	b.submit(t, body(false), key).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
}
