package simulator_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// statuses requests images of the prompts and returns the statuses.
func statuses(t *testing.T, s *simulator.Simulator, prompts ...string) string {
	t.Helper()
	var list []string
	for n, prompt := range prompts {
		a := wiretest.Get(t, fmt.Sprintf("%s/image/%s?width=64&height=64&seed=%d", s.URL(), prompt, n))
		list = append(list, fmt.Sprint(a.Status))
	}
	return strings.Join(list, " ")
}

func TestRulesMatchRequests(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rules []simulator.Rule
		want  string // for the prompts cat, dog, cat, dog
		left  int
	}{
		"none":           {nil, "200 200 200 200", 0},
		"until cleared":  {[]simulator.Rule{{Fault: "server_error"}}, "500 500 500 500", 1},
		"twice":          {[]simulator.Rule{{Fault: "server_error", Times: 2}}, "500 500 200 200", 0},
		"by prompt":      {[]simulator.Rule{{Fault: "server_error", Contains: "dog"}}, "200 500 200 500", 1},
		"once by prompt": {[]simulator.Rule{{Fault: "server_error", Contains: "dog", Times: 1}}, "200 500 200 200", 0},
		"by kind":        {[]simulator.Rule{{Fault: "server_error", Kind: simulator.KindImage}, {Fault: "no_balance"}}, "500 500 500 500", 2},
		"other kind":     {[]simulator.Rule{{Fault: "server_error", Kind: simulator.KindChat}}, "200 200 200 200", 1},
		"other dialect":  {[]simulator.Rule{{Fault: "server_error", Dialect: simulator.DialectDeepSeek}}, "200 200 200 200", 1},
		"in order":       {[]simulator.Rule{{Status: 503, Times: 1}, {Status: 429, Times: 2}}, "503 429 429 200", 0},
		"raw":            {[]simulator.Rule{{Status: 418, Body: "short and stout", Times: 1}}, "418 200 200 200", 0},
		"never":          {[]simulator.Rule{{Fault: "server_error", Probability: 1e-18}}, "200 200 200 200", 1},
		"always":         {[]simulator.Rule{{Fault: "server_error", Probability: 1}}, "500 500 500 500", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulatortest.Start(t)
			simulatortest.Script(t, s, test.rules...)
			if got := statuses(t, s, "cat", "dog", "cat", "dog"); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if n := len(s.Rules()); n != test.left {
				t.Errorf("%d rules are left, want %d", n, test.left)
			}
			s.Clear()
			if got := statuses(t, s, "cat"); got != "200" || len(s.Rules()) != 0 {
				t.Errorf("after Clear: %s", got)
			}
		})
	}
}

func TestScriptRejectsInvalidRules(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for name, rule := range map[string]simulator.Rule{
		"fault":       {Fault: "bad_weather"},
		"kind":        {Kind: "video"},
		"dialect":     {Dialect: "klingon"},
		"status":      {Status: 99},
		"information": {Status: 100},
		"both":        {Fault: "hang", Status: 500},
		"times":       {Times: -1},
		"probability": {Probability: 1.5},
		"delay":       {Delay: -time.Second},
	} {
		if err := s.Script(simulator.Rule{}, rule); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if n := len(s.Rules()); n != 0 {
		t.Errorf("%d rules of rejected scripts are active", n)
	}
}

// TestProbability checks the distribution of rolls, and that a seed repeats them.
func TestProbability(t *testing.T) {
	t.Parallel()
	run := func(seed uint64) string {
		s := simulatortest.StartWith(t, simulator.Config{Seed: seed})
		simulatortest.Script(t, s, simulator.Rule{Fault: "rate_limited", Probability: 0.5})
		return statuses(t, s, strings.Fields(strings.Repeat("cat ", 40))...)
	}
	first := run(1)
	if n := strings.Count(first, "429"); n < 5 || n > 35 {
		t.Errorf("%d of 40 were hit", n)
	}
	if first != run(1) || first == run(2) {
		t.Error("the rolls do not follow the seed")
	}
}

func TestHeadersAndRetryAfter(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s,
		simulator.Rule{Fault: "rate_limited", RetryAfter: 1500 * time.Millisecond, Headers: map[string]string{"X-Extra": "yes"}, Times: 1},
		simulator.Rule{Fault: "rate_limited_interval", RetryAfter: 7 * time.Second, Times: 1},
		simulator.Rule{Status: 429, Body: `{"a":1}`, Headers: map[string]string{"Retry-After": "soon"}, Times: 1},
		simulator.Rule{Headers: map[string]string{"x-model-used": "other", "Content-Type": "image/x"}, Times: 1},
	)
	for _, want := range []map[string]string{
		{"Retry-After": "2", "X-Extra": "yes"},
		{"Retry-After": "7"},
		{"Retry-After": "soon", "Content-Type": "application/json"},
		{"X-Model-Used": "other", "Content-Type": "image/x", "X-Cache": "MISS"},
	} {
		a := wiretest.Get(t, s.URL()+"/image/x?width=64&height=64")
		for name, value := range want {
			if got := a.Header.Get(name); got != value {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		}
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	const delay = 60 * time.Millisecond
	for _, rule := range []simulator.Rule{{Delay: delay}, {Delay: delay, Fault: "server_error"}, {Delay: delay, Status: 500}} {
		for name, ask := range samples() {
			s.Clear()
			rule.Kind = ask.kind
			simulatortest.Script(t, s, rule)
			began := time.Now()
			wiretest.Complete(t, wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body))
			if waited := time.Since(began); waited < delay {
				t.Errorf("%s: responded after %v", name, waited)
			}
		}
	}
}

func TestHoldAndRelease(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]simulator.Rule{
		"good":  {Hold: true},
		"once":  {Hold: true, Times: 1},
		"fault": {Hold: true, Fault: "server_error"},
	} {
		for kind, ask := range samples() {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				s := simulatortest.Start(t)
				held := rule
				held.Kind = ask.kind
				simulatortest.Script(t, s, held)
				done := make(chan wiretest.Response, 1)
				go func() { done <- wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body) }()
				simulatortest.WaitHeld(t, s, 1)
				if call := s.Calls(ask.kind)[0]; call.Outcome != simulator.OutcomeRunning || call.Rule == "" {
					t.Errorf("held: %s by rule %q", call.Outcome, call.Rule)
				}
				s.Release()
				want := http.StatusOK
				if rule.Fault != "" {
					want = http.StatusInternalServerError
				}
				if a := wiretest.Complete(t, <-done); a.Status != want {
					t.Errorf("status %d, want %d", a.Status, want)
				}
				// Released rules stay released.
				wiretest.Complete(t, wiretest.Send(t.Context(), ask.method, s.URL()+ask.path, ask.body))
			})
		}
	}
}

func TestClearReleases(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s, simulator.Rule{Hold: true, Times: 1}, simulator.Rule{Hold: true})
	done := make(chan wiretest.Response, 2)
	for n := range 2 {
		go func() {
			done <- wiretest.Send(t.Context(), http.MethodGet, fmt.Sprintf("%s/image/x?width=64&height=64&seed=%d", s.URL(), n), "")
		}()
	}
	simulatortest.WaitHeld(t, s, 2)
	s.Clear()
	for range 2 {
		wiretest.Complete(t, <-done)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s.WaitHeld(ctx, 1) == nil || s.WaitCalls(ctx, simulator.KindImage, 3) == nil || s.WaitFinished(ctx, simulator.KindImage, 3) == nil {
		t.Error("waiting does not end with the context")
	}
}
