package app_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// hookEvent is an event as a receiver gets it.
type hookEvent struct {
	header http.Header
	body   []byte
}

// payload is the body of an event.
type payload struct {
	Type      string         `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      map[string]any `json:"data"`
}

// receive returns the URL of a receiver that answers 200, and its events.
func receive(t *testing.T) (url string, events <-chan hookEvent) {
	t.Helper()
	received := make(chan hookEvent, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- hookEvent{r.Header, body}
	}))
	t.Cleanup(receiver.Close)
	return receiver.URL, received
}

func nextEvent(t *testing.T, events <-chan hookEvent) (hookEvent, payload) {
	t.Helper()
	select {
	case e := <-events:
		var p payload
		if err := json.Unmarshal(e.body, &p); err != nil {
			t.Fatal(err)
		}
		return e, p
	case <-time.After(apptest.Hang):
		t.Fatal("no event arrives")
		return hookEvent{}, payload{}
	}
}

// verifies reports whether one of the signatures of an event is made with a secret, as Standard Webhooks describes.
func (e hookEvent) verifies(t *testing.T, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || !strings.HasPrefix(secret, "whsec_") || len(key) < 24 || len(key) > 64 {
		t.Fatalf("secret %q: %v", secret, err)
	}
	sent, err := strconv.ParseInt(e.header.Get("webhook-timestamp"), 10, 64)
	if age := time.Since(time.Unix(sent, 0)); err != nil || age > 5*time.Minute || age < -time.Minute {
		t.Fatalf("timestamp %q", e.header.Get("webhook-timestamp"))
	}
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, e.header.Get("webhook-id")+"."+e.header.Get("webhook-timestamp")+"."+string(e.body))
	for signature := range strings.SplitSeq(e.header.Get("webhook-signature"), " ") {
		version, text, _ := strings.Cut(signature, ",")
		sum, err := base64.StdEncoding.DecodeString(text)
		if version == "v1" && err == nil && hmac.Equal(sum, mac.Sum(nil)) {
			return true
		}
	}
	return false
}

type delivery struct {
	ID            string `json:"id"`
	Type          string `json:"type"`
	JobID         string `json:"job_id"`
	State         string `json:"state"`
	Attempts      int    `json:"attempts"`
	LastStatus    int    `json:"last_status"`
	LastFailure   string `json:"last_failure"`
	NextAttemptAt string `json:"next_attempt_at"`
}

// deliveries lists deliveries until done returns true for them.
func (i *instance) deliveries(t *testing.T, signed string, done func([]delivery) bool) []delivery {
	t.Helper()
	for deadline := time.Now().Add(apptest.Hang); ; {
		var page struct{ Deliveries []delivery }
		i.Do(t, http.MethodGet, "/api/webhooks/deliveries", nil, signed).Decode(t, &page)
		if done(page.Deliveries) {
			return page.Deliveries
		}
		if time.Now().After(deadline) {
			t.Fatalf("the deliveries are %+v", page.Deliveries)
		}
		time.Sleep(5 * time.Millisecond) // A poll, as a client makes it.
	}
}

// must sends a request and fails the test unless it succeeds.
func (i *instance) must(t *testing.T, method, path string, body any, signed string) apptest.Response {
	t.Helper()
	resp := i.Do(t, method, path, body, signed)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, resp.Data)
	}
	return resp
}

// TestWebhooks follows webhooks as a member uses them.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config(t, t.TempDir(), "WEBHOOK_ALLOW=127.0.0.0/8")
	cfg.SetHooks(func(h *hooks.App) { h.WebhookSchedule = []time.Duration{10 * time.Millisecond, 10 * time.Millisecond} })
	i := start(t, cfg)
	signed := i.signUp(t, "ann@example.org", "correct horse")
	url, events := receive(t)
	var secret struct{ Secret, PreviousUntil string }
	i.must(t, http.MethodGet, "/api/webhooks/secret", nil, signed).Decode(t, &secret)

	// The events of a job, with the job as it can be read.
	all := []string{"job.started", "job.succeeded", "job.failed", "job.canceled"}
	text := fields{"kind": "prompt", "input": fields{"text": "a fox"}, "webhook": url + "?token=canary", "webhook_events": all}
	submitted := i.Submit(t, text, signed, "Idempotency-Key: one")
	kinds := make(map[string]payload)
	for range 2 {
		e, p := nextEvent(t, events)
		if !e.verifies(t, secret.Secret) || e.verifies(t, "whsec_"+base64.StdEncoding.EncodeToString(make([]byte, 32))) {
			t.Errorf("the signature of %s is wrong: %v", p.Type, e.header)
		}
		kinds[p.Type] = p
	}
	var read map[string]any
	i.must(t, http.MethodGet, "/api/jobs/"+submitted.ID, nil, signed).Decode(t, &read)
	if got := kinds["job.succeeded"].Data; read["status"] != "succeeded" || !reflect.DeepEqual(got, read) {
		t.Errorf("the event has %v\nthe job is    %v", got, read)
	}
	if got := kinds["job.started"].Data; got["status"] != "running" || got["id"] != submitted.ID {
		t.Errorf("the start has %v", got)
	}
	// The webhook is a part of the request.
	if again := i.Submit(t, text, signed, "Idempotency-Key: one"); again.ID != submitted.ID {
		t.Errorf("the repeated submission has created %s", again.ID)
	}
	text["webhook"] = url
	if resp := i.Do(t, http.MethodPost, "/api/jobs", text, signed, "Idempotency-Key: one"); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("another webhook under the same key: %d", resp.StatusCode)
	}

	// An account without events, although it has a URL, sends none.
	var endpoint struct{ Events []string }
	i.must(t, http.MethodPut, "/api/webhooks", fields{"url": url, "events": []string{}}, signed)
	i.must(t, http.MethodGet, "/api/webhooks", nil, signed).Decode(t, &endpoint)
	if len(endpoint.Events) != 0 {
		t.Errorf("the events of the account are %v", endpoint.Events)
	}
	i.must(t, http.MethodPost, "/api/optimize", fields{"text": "silent"}, signed)

	// The URL of the account, which every route uses, and two secrets after a rotation.
	i.must(t, http.MethodPut, "/api/webhooks", fields{"url": url}, signed)
	previous := secret.Secret
	i.must(t, http.MethodPost, "/api/webhooks/secret", nil, signed).Decode(t, &secret)
	i.must(t, http.MethodPost, "/api/optimize", fields{"text": "a boat"}, signed)
	e, p := nextEvent(t, events)
	if p.Type != "job.succeeded" || previous == secret.Secret || !e.verifies(t, previous) || !e.verifies(t, secret.Secret) {
		t.Errorf("%s has the signatures %s", p.Type, e.header.Get("webhook-signature"))
	}
	i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "a fox"}, "webhook_events": []string{}}, signed)
	list := i.deliveries(t, signed, func(list []delivery) bool { return len(list) == 3 && list[0].State == "delivered" })
	if list[0].ID != e.header.Get("webhook-id") || list[0].LastStatus != 200 || list[0].Attempts != 1 {
		t.Errorf("the delivery is %+v", list[0])
	}
	i.must(t, http.MethodPost, "/api/webhooks/deliveries/"+list[0].ID+"/redeliver", nil, signed)
	if again, _ := nextEvent(t, events); again.header.Get("webhook-id") != list[0].ID || string(again.body) != string(e.body) {
		t.Errorf("the event that was requested again is %s %s", again.header.Get("webhook-id"), again.body)
	}
	i.must(t, http.MethodPost, "/api/webhooks/ping", nil, signed)
	if _, p := nextEvent(t, events); p.Type != "webhook.ping" {
		t.Errorf("the ping is %+v", p)
	}

	// What is refused: guests, URLs that are not allowed, unknown events, and the deliveries of others.
	other := i.signUp(t, "bob@example.org", "correct horse")
	for _, c := range []struct {
		method, path string
		body         any
		caller       string
		want         int
	}{
		{"POST", "/api/jobs", text, "X: y", 401},
		{"POST", "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "a"}, "webhook": "https://169.254.169.254/"}, signed, 400},
		{"POST", "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "a"}, "webhook": ""}, signed, 400},
		{"POST", "/api/jobs", fields{"kind": "prompt", "input": fields{"text": "a"}, "webhook_events": []string{"job.x"}}, signed, 400},
		{"PUT", "/api/webhooks", fields{"url": "http://10.0.0.1/"}, signed, 400},
		{"PUT", "/api/webhooks", fields{"url": url, "events": []string{"x"}}, signed, 400},
		{"POST", "/api/webhooks/ping", fields{"url": "ftp://a/"}, signed, 400},
		{"POST", "/api/webhooks/ping", nil, other, 400},
		{"POST", "/api/webhooks/deliveries/" + list[0].ID + "/redeliver", nil, other, 404},
		{"GET", "/api/webhooks/deliveries?cursor=x", nil, signed, 400},
	} {
		if resp := i.Do(t, c.method, c.path, c.body, c.caller); resp.StatusCode != c.want {
			t.Errorf("%s %s %v: %d %s", c.method, c.path, c.body, resp.StatusCode, resp.Data)
		}
	}
	i.deliveries(t, other, func(list []delivery) bool { return len(list) == 0 })

	// Nothing is left of a deleted account, and the job that ends with it sends nothing.
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a boat"}}, signed)
	i.must(t, http.MethodPost, "/api/auth/delete-account", fields{"password": "correct horse"}, signed)
	i.Simulator().Release()
	i.must(t, http.MethodPut, "/api/webhooks", fields{"url": url}, other)
	i.must(t, http.MethodPost, "/api/webhooks/ping", nil, other)
	if _, p := nextEvent(t, events); p.Type != "webhook.ping" {
		t.Errorf("after the deletion arrives %+v", p)
	}
	for _, stream := range []string{"KV_WEBHOOKS", "KV_USERS"} {
		s, err := i.Broker().JetStream().Stream(context.Background(), stream)
		if err != nil {
			t.Fatal(err)
		}
		for seq := range s.CachedInfo().State.LastSeq {
			if msg, err := s.GetMsg(context.Background(), seq+1); err == nil && strings.Contains(string(msg.Data), "a boat") {
				t.Errorf("%s still has %s", stream, msg.Data)
			}
		}
	}
}
