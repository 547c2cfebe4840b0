package client_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/client"
)

// TestWebhook submits jobs with the URL and the events of a webhook to the API.
func TestWebhook(t *testing.T) {
	t.Parallel()
	received := make(chan string, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { received <- r.URL.Path }))
	t.Cleanup(hook.Close)
	guest, err := client.New(client.Config{URL: serverURL})
	if err != nil {
		t.Fatal(err)
	}
	c, err := guest.SignIn(t.Context(), "ann@example.org", password)
	if err != nil {
		t.Fatal(err)
	}
	for path, events := range map[string][]string{"/default": nil, "/start": {"job.started"}, "/none": {}} {
		j, err := c.Submit(t.Context(), client.Request{
			Kind: "prompt", Input: client.Input{Text: "a fox"}, Webhook: hook.URL + path, WebhookEvents: events,
		})
		if err != nil {
			t.Fatal(err)
		}
		want := events
		if events == nil {
			want = []string{"job.succeeded", "job.failed", "job.canceled"}
		}
		if (j.Webhook == hook.URL+path) != (len(want) > 0) || !slices.Equal(j.WebhookEvents, want) {
			t.Errorf("%s: %q, %q", path, j.Webhook, j.WebhookEvents)
		}
	}
	arrived := []string{<-received, <-received}
	if slices.Sort(arrived); !slices.Equal(arrived, []string{"/default", "/start"}) {
		t.Errorf("events arrived at %q", arrived)
	}
}
