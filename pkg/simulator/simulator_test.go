package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Config{})
	if s.URL() != "" || s.DeepSeekURL() != "" || s.SiliconFlowURL() != "" || s.LegacyImageURL() != "" || s.LegacyTextURL() != "" {
		t.Error("it has a URL before it listens")
	}
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "example.com:80", "nonsense"} {
		if s.Start(t.Context(), addr) == nil {
			t.Errorf("listens on %s", addr)
		}
	}
	if err := s.Start(t.Context(), "localhost:0"); err != nil {
		t.Fatal(err)
	}
	if s.Start(t.Context(), "") == nil {
		t.Error("a second start succeeds")
	}
	if s.PollinationsURL() != s.URL() || s.DeepSeekURL() != s.URL()+"/deepseek" {
		t.Errorf("%s, %s", s.PollinationsURL(), s.DeepSeekURL())
	}
	other := simulator.New(simulator.Config{})
	if other.Start(t.Context(), strings.TrimPrefix(s.URL(), "http://")) == nil {
		t.Error("two simulators listen on one port")
	}
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := other.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if other.Start(t.Context(), "") == nil {
		t.Error("a start after the stop succeeds")
	}
	if a := wiretest.Send(t.Context(), http.MethodGet, s.URL()+"/v1/models", ""); a.Err == nil {
		t.Error("it still responds")
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	const least = 40 * time.Millisecond
	span := simulator.Delay{Min: least, Max: least + 10*time.Millisecond}
	s := simulatortest.StartWith(t, simulator.Config{Latency: simulator.Latency{Image: span, Speech: span, Chat: span, Token: simulator.Delay{Min: time.Millisecond}}})
	for name, ask := range samples() {
		if ask.kind != simulator.KindImage && ask.kind != simulator.KindSpeech && ask.kind != simulator.KindChat {
			continue // Nothing is made there.
		}
		began := time.Now()
		wiretest.Complete(t, wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body))
		if took := time.Since(began); took < least {
			t.Errorf("%s: responded after %v", name, took)
		}
	}
	if demo := simulator.DemoLatency(); demo.Image.Max < demo.Image.Min || demo.Image.Min <= 0 {
		t.Errorf("%+v", demo)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	closed := simulatortest.StartWith(t, simulator.Config{Keys: []string{"sk_good"}})
	open := simulatortest.Start(t)
	for _, test := range []struct {
		s      *simulator.Simulator
		path   string
		key    string
		status int
		part   string
	}{
		{closed, "/image/x?width=64&height=64", "Bearer sk_good", 200, ""},
		{closed, "/image/x?width=64&height=64&key=sk_good", "", 200, ""},
		{closed, "/image/x", "Bearer sk_bad", 401, "Invalid API key."},
		{closed, "/image/x?key=sk_bad", "", 401, "Invalid API key."},
		{closed, "/image/x", "", 401, "Authentication required."},
		{closed, "/image/x", "Bearer ", 401, "Authentication required."},
		{closed, "/image/models", "", 200, "zimage"},
		{closed, "/audio/models", "", 200, `"voices":["alloy"`},
		{closed, "/v1/models", "", 200, `"object":"list"`},
		{closed, "/deepseek/models", "", 200, `"owned_by":"deepseek"`},
		{closed, "/account/balance", "", 401, ""},
		{closed, "/account/balance", "Bearer sk_good", 200, `{"balance":8.44,"accountBalance":{"total":8.44,`},
		{closed, "/deepseek/user/balance", "Bearer sk_good", 200, `"total_balance":"8.44"`},
		{closed, "/deepseek/v1/user/balance", "Bearer sk_good", 200, `"total_balance":"8.44"`},
		{closed, "/deepseek/user/balance", "Bearer sk_bad", 401, "****_bad is invalid"},
		{open, "/image/x?width=64&height=64", "Bearer anything", 200, ""},
		{open, "/image/x?width=64&height=64", "", 401, "Authentication required."},
	} {
		a := wiretest.Get(t, test.s.URL()+test.path, "Authorization", test.key)
		if a.Status != test.status || !strings.Contains(string(a.Body), test.part) {
			t.Errorf("%s with %q: status %d, want %d", test.path, test.key, a.Status, test.status)
		}
	}
}

// TestIdempotencyKeyWithoutAPIKeyGetsX402 checks that such a request is asked for a
// payment instead of a key.
func TestIdempotencyKeyWithoutAPIKeyGetsX402(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for path, status := range map[string]int{
		"/image/x": 402, "/audio/x": 402, "/account/balance": 401, "/image/models": 200, "/legacy-image/prompt/x?width=64&height=64": 200,
	} {
		a := wiretest.Get(t, s.URL()+path, "Authorization", "", "Idempotency-Key", "one")
		if a.Status != status || (a.Header.Get("PAYMENT-REQUIRED") != "") != (status == 402) {
			t.Errorf("%s: status %d, want %d, PAYMENT-REQUIRED %q", path, a.Status, status, a.Header.Get("PAYMENT-REQUIRED"))
		}
	}
	if a := wiretest.Get(t, s.URL()+"/image/x?width=64&height=64", "Idempotency-Key", "one"); a.Status != http.StatusOK {
		t.Errorf("with a key: status %d", a.Status)
	}
}

func TestPublishableKeysAreThrottled(t *testing.T) {
	t.Parallel()
	var seconds atomic.Int64
	s := simulatortest.StartWith(t, simulator.Config{Now: func() time.Time { return time.Unix(1_800_000_000+seconds.Load(), 0) }})
	ask := func(n int) wiretest.Response {
		return wiretest.Get(t, fmt.Sprintf("%s/image/x?width=64&height=64&seed=%d", s.URL(), n), "Authorization", "Bearer pk_test")
	}
	for n := range 3 {
		if a := ask(n); a.Status != http.StatusOK {
			t.Fatalf("request %d: status %d", n, a.Status)
		}
	}
	a := ask(3)
	if a.Status != 429 || a.Header.Get("Retry-After") != "15" || wiretest.At(t, a.Fields(t), "retryAfterSeconds") != 15.0 {
		t.Errorf("status %d, %s", a.Status, a.Body)
	}
	seconds.Store(15)
	if a := ask(4); a.Status != http.StatusOK {
		t.Errorf("after a refill: status %d", a.Status)
	}
	if a := ask(5); a.Status != 429 {
		t.Errorf("beyond the refill: status %d", a.Status)
	}
}
