package simulator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestCallsAreRecorded(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	wiretest.Get(t, s.URL()+"/image/a%20cat?width=64&height=64&model=flux&key=sk_query", "Authorization", "")
	wiretest.Post(t, s.URL()+"/v1/audio/speech", `{"input":"hello","voice":"nova","extra":[1]}`)
	wiretest.Post(t, s.DeepSeekURL()+"/chat/completions", wiretest.ChatBody(wiretest.Quiet, wiretest.Improver, "a dog"))
	wiretest.Get(t, s.URL()+"/image/a%20cat?width=64&height=64&model=flux")
	wiretest.Get(t, s.URL()+"/image/a%20cow?width=-1")

	calls := s.Calls("")
	if len(calls) != 5 || len(s.Calls(simulator.KindImage)) != 3 || s.Count(simulator.KindImage, "cat") != 2 || s.Count("", "") != 5 {
		t.Fatalf("%d calls", len(calls))
	}
	c := calls[0]
	if c.Method != http.MethodGet || c.Path != "/image/a%20cat" || c.Prompt != "a cat" || c.Model != "flux" || c.Query.Get("width") != "64" ||
		c.Outcome != simulator.OutcomeFinished || c.Status != 200 || c.Cache != "GENERATED" || c.Finished.Before(c.Started) {
		t.Errorf("image: %+v", c)
	}
	if c.Query.Get("key") != "***" {
		t.Error("the key is recorded")
	}
	if c := calls[1]; c.Kind != simulator.KindSpeech || c.Prompt != "hello" || c.Body["voice"] != "nova" || c.Body["extra"] == nil {
		t.Errorf("speech: %+v", c)
	}
	if c := calls[2]; c.Dialect != simulator.DialectDeepSeek || c.Prompt != "a dog" || c.System != wiretest.Improver || c.Model != "deepseek-flash" {
		t.Errorf("chat: %+v", c)
	}
	if calls[3].Cache != "EXACT" || calls[4].Status != 400 {
		t.Errorf("%s, %d", calls[3].Cache, calls[4].Status)
	}
	s.ForgetCalls()
	if len(s.Calls("")) != 0 {
		t.Error("calls are still recorded")
	}
	wiretest.Get(t, s.URL()+"/v1/models")
	simulatortest.WaitCalls(t, s, simulator.KindModels, 1)
}

func TestCallsAreBounded(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Config{})
	t.Cleanup(func() { _ = s.Stop(t.Context()) })
	ask := func(target string) {
		s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
	}
	for n := range 10_050 {
		ask(fmt.Sprintf("/image/%d", n))
	}
	calls := s.Calls(simulator.KindImage)
	if len(calls) != 10_000 || calls[0].Prompt != "50" || calls[9_999].Prompt != "10049" {
		t.Errorf("%d calls are recorded, from %s", len(calls), calls[0].Prompt)
	}
	if calls[9_999].Outcome != simulator.OutcomeFinished || calls[9_999].Status != http.StatusUnauthorized {
		t.Errorf("the last: %s %d", calls[9_999].Outcome, calls[9_999].Status)
	}
	simulatortest.WaitCalls(t, s, simulator.KindImage, 10_050)
}

// TestLogsHaveNoPromptsOrKeys sends successful and failing requests with a logger of
// every level.
func TestLogsHaveNoPromptsOrKeys(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	s := simulator.New(simulator.Config{Logger: slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err := s.Start(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []string{"", "truncated", "reset", "moderated", "server_error"} {
		if fault != "" {
			simulatortest.Script(t, s, simulator.Rule{Fault: fault, Times: 2})
		}
		_ = wiretest.Send(t.Context(), http.MethodGet, s.URL()+"/image/xyzzy-secret?width=64&height=64&key=sk_secret", "")
		_ = wiretest.Send(t.Context(), http.MethodPost, s.URL()+"/v1/audio/speech", `{"input":"xyzzy-secret"}`)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := logged.String(); strings.Contains(text, "secret") || text == "" {
		t.Errorf("logged: %s", text)
	}
}

func TestControlRoutes(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	rules, calls := s.URL()+"/_control/rules", s.URL()+"/_control/calls"
	a := wiretest.Post(t, rules, `{"id":"mine","kind":"image","contains":"cat","times":2,"fault":"rate_limited","retry_after_ms":2000,"delay_ms":1}`)
	if id := wiretest.At(t, a.Fields(t), "rules", 0, "id"); a.Status != http.StatusOK || id != "mine" {
		t.Fatalf("status %d, rule %v", a.Status, id)
	}
	if got := s.Rules()[0]; got.RetryAfter != 2*time.Second || got.Delay != time.Millisecond {
		t.Errorf("%+v", got)
	}
	if a := wiretest.Post(t, rules, `[{"kind":"chat","status":500},{"hold":true,"kind":"speech"}]`); len(wiretest.At(t, a.Fields(t), "rules").([]any)) != 3 {
		t.Errorf("%s", a.Body)
	}
	if a := wiretest.Get(t, s.URL()+"/image/cat"); a.Status != 429 || a.Header.Get("Retry-After") != "2" {
		t.Errorf("status %d", a.Status)
	}
	if n := wiretest.At(t, wiretest.Get(t, rules).Fields(t), "rules", 0, "times"); n != 1.0 {
		t.Errorf("%v times remain", n)
	}
	held := make(chan wiretest.Response, 1)
	go func() {
		held <- wiretest.Send(t.Context(), http.MethodPost, s.URL()+"/v1/audio/speech", `{"input":"hello"}`)
	}()
	simulatortest.WaitHeld(t, s, 1)
	if a := wiretest.Post(t, s.URL()+"/_control/release", `{}`); a.Status != http.StatusOK {
		t.Errorf("release: status %d", a.Status)
	}
	wiretest.Complete(t, <-held)
	a = wiretest.Get(t, calls+"?kind=image&limit=5")
	if wiretest.At(t, a.Fields(t), "total") != 1.0 || wiretest.At(t, a.Fields(t), "calls", 0, "prompt") != "cat" {
		t.Errorf("%s", a.Body)
	}
	if a := wiretest.Get(t, s.URL()+"/_control/faults"); !strings.Contains(string(a.Body), `"rate_limited"`) {
		t.Errorf("%s", a.Body)
	}
	for _, target := range []string{rules, calls} {
		if a := wiretest.Complete(t, wiretest.Send(t.Context(), http.MethodDelete, target, "")); a.Status != http.StatusOK {
			t.Errorf("DELETE %s: status %d", target, a.Status)
		}
	}
	if len(s.Rules())+len(s.Calls("")) != 0 {
		t.Error("rules or calls remain")
	}
	for _, bad := range []string{`{"fault":"bad_weather"}`, `{"colour":1}`, `nothing`, `{"times":"two"}`, ``} {
		if a := wiretest.Post(t, rules, bad, "Content-Type", "application/json"); a.Status != http.StatusBadRequest {
			t.Errorf("%s: status %d", bad, a.Status)
		}
	}
	if a := wiretest.Get(t, calls+"?limit=none"); a.Status != http.StatusBadRequest {
		t.Errorf("limit: status %d", a.Status)
	}
}

// TestControlServesLoopbackOnly acts as a web page that tries to reach the control
// routes through a browser on this machine.
func TestControlServesLoopbackOnly(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Config{})
	t.Cleanup(func() { _ = s.Stop(t.Context()) })
	for name, test := range map[string]struct {
		host, remote, contentType, origin string
		status                            int
	}{
		"a program here":    {"127.0.0.1:1234", "127.0.0.1:5", "application/json", "", 200},
		"over IPv6":         {"[::1]:1234", "[::1]:5", "application/json; charset=utf-8", "", 200},
		"by name":           {"localhost:1234", "127.0.0.1:5", "application/json", "", 200},
		"from elsewhere":    {"127.0.0.1:1234", "192.0.2.7:5", "application/json", "", 403},
		"rebound host name": {"evil.example", "127.0.0.1:5", "application/json", "", 403},
		"a page's script":   {"127.0.0.1:1234", "127.0.0.1:5", "application/json", "https://evil.example", 403},
		"a page's form":     {"127.0.0.1:1234", "127.0.0.1:5", "text/plain", "", 415},
		"no type":           {"127.0.0.1:1234", "127.0.0.1:5", "", "", 415},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/_control/rules", strings.NewReader(`{}`))
		request.Host, request.RemoteAddr = test.host, test.remote
		request.Header.Set("Content-Type", test.contentType)
		if test.origin != "" {
			request.Header.Set("Origin", test.origin)
		}
		recorder := httptest.NewRecorder()
		s.Handler().ServeHTTP(recorder, request)
		if recorder.Code != test.status || !json.Valid(recorder.Body.Bytes()) {
			t.Errorf("%s: status %d, want %d", name, recorder.Code, test.status)
		}
	}
}
