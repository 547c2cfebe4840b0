package legacy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestLegacyQueue holds one generation of a client address: one more waits and the next
// is rejected. The other host, a cached image and a duplicate of the running request
// are not affected.
func TestLegacyQueue(t *testing.T) {
	t.Parallel()
	for name, target := range map[string]func(*simulator.Simulator, int) string{
		"image": func(s *simulator.Simulator, n int) string {
			return fmt.Sprintf("%s/prompt/cat?width=64&height=64&seed=%d", s.LegacyImageURL(), n)
		},
		"speech": func(s *simulator.Simulator, n int) string {
			return fmt.Sprintf("%s/cat%d?model=openai-audio", s.LegacyTextURL(), n)
		},
		"text": func(s *simulator.Simulator, n int) string { return fmt.Sprintf("%s/cat%d", s.LegacyTextURL(), n) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulatortest.Start(t)
			wiretest.Get(t, target(s, 0))
			simulatortest.Script(t, s, simulator.Rule{Contains: "cat", Hold: true})
			responses := make(chan wiretest.Response, 3)
			ask := func(n int) { responses <- wiretest.Send(t.Context(), http.MethodGet, target(s, n), "") }
			go ask(1)
			simulatortest.WaitHeld(t, s, 1)
			go ask(2)
			go ask(3)
			rejected := wiretest.Complete(t, <-responses) // One of the two; the other one waits.
			if rejected.Status != http.StatusTooManyRequests || rejected.Header.Get("Retry-After") != "" {
				t.Errorf("status %d, Retry-After %q", rejected.Status, rejected.Header.Get("Retry-After"))
			}
			if !strings.Contains(string(rejected.Body), `"queueInfo":{"ip":"127.0.0.1","currentSize":1,"pending":1,"total":2,"maxAllowed":1,"username":null,"userId":null,"tier":"anonymous"}`) {
				t.Errorf("%s", rejected.Body)
			}
			if name == "image" {
				if fields := rejected.Fields(t); wiretest.At(t, fields, "requestParameters", "prompt") != "cat" || wiretest.At(t, fields, "timingInfo", 0, "step") == "" || wiretest.At(t, fields, "requestId") == "" {
					t.Errorf("%s", rejected.Body)
				}
				if a := wiretest.Get(t, target(s, 0)); a.Header.Get("X-Cache") != "HIT" {
					t.Errorf("cached image: status %d", a.Status)
				}
				go func() { responses <- wiretest.Send(t.Context(), http.MethodGet, target(s, 1), "") }()
			}
			if a := wiretest.Get(t, s.LegacyTextURL()+"/dog"); name == "image" && a.Status != http.StatusOK {
				t.Errorf("the other host: status %d", a.Status)
			}
			if name == "image" {
				simulatortest.WaitCalls(t, s, simulator.KindImage, 6)
			}
			s.Release()
			left := 2
			if name == "image" {
				left = 3
			}
			for range left {
				if a := wiretest.Complete(t, <-responses); a.Status != http.StatusOK {
					t.Errorf("after the release: status %d, %s", a.Status, a.Body)
				}
			}
			if a := wiretest.Get(t, target(s, 4)); a.Status != http.StatusOK {
				t.Errorf("afterwards: status %d", a.Status)
			}
		})
	}
}

// TestLegacyQueuesArePerAddress generates for three addresses at once.
func TestLegacyQueuesArePerAddress(t *testing.T) {
	t.Parallel()
	s := simulator.New(simulator.Config{})
	t.Cleanup(func() { _ = s.Stop(t.Context()) })
	simulatortest.Script(t, s, simulator.Rule{Hold: true})
	codes := make(chan int, 3)
	for n := range 3 {
		go func() {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("/legacy-image/prompt/x?width=64&height=64&seed=%d", n), nil)
			request.RemoteAddr = fmt.Sprintf("192.0.2.%d:99", n+1)
			recorder := httptest.NewRecorder()
			s.Handler().ServeHTTP(recorder, request)
			codes <- recorder.Code
		}()
	}
	simulatortest.WaitHeld(t, s, 3)
	s.Release()
	for range 3 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
}

// TestSpacing checks the spacing of the legacy host with a clock of its own.
func TestSpacing(t *testing.T) {
	t.Parallel()
	var elapsed atomic.Int64
	s := simulatortest.StartWith(t, simulator.Config{Now: func() time.Time { return time.Unix(1_800_000_000, 0).Add(time.Duration(elapsed.Load())) }})
	simulatortest.Script(t, s, simulator.Rule{Fault: "legacy_spacing", Kind: simulator.KindImage})
	ask := func(n int) wiretest.Response {
		return wiretest.Get(t, fmt.Sprintf("%s/prompt/cat?width=64&height=64&seed=%d", s.LegacyImageURL(), n))
	}
	if a := ask(1); a.Status != http.StatusOK || a.Header.Get("Retry-After") != "" {
		t.Fatalf("the first: status %d, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
	elapsed.Store(int64(15500 * time.Millisecond))
	a := ask(2)
	if a.Status != 429 || a.Header.Get("Retry-After") != "30" || wiretest.At(t, a.Fields(t), "error", "message") != "Sana is limited to one request per IP every 45 seconds. Retry after 30s." {
		t.Errorf("too soon: status %d, Retry-After %q, %s", a.Status, a.Header.Get("Retry-After"), a.Body)
	}
	wiretest.CheckEnvelope(t, a)
	if a := ask(1); a.Status != http.StatusOK {
		t.Errorf("cached: status %d", a.Status)
	}
	elapsed.Store(int64(45 * time.Second))
	if a := ask(2); a.Status != http.StatusOK {
		t.Errorf("in time: status %d", a.Status)
	}
	s.Clear()
	if a := ask(3); a.Status != http.StatusOK {
		t.Errorf("without the rule: status %d", a.Status)
	}
	simulatortest.Script(t, s, simulator.Rule{Fault: "legacy_spacing", RetryAfter: 2 * time.Second})
	if a := ask(4); a.Status != 429 || a.Header.Get("Retry-After") != "2" {
		t.Errorf("a spacing of its own: status %d, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
}

// TestSpacingCountsFromTheStart holds a generation for longer than the spacing, which
// counts from its start and not from its arrival.
func TestSpacingCountsFromTheStart(t *testing.T) {
	t.Parallel()
	var seconds atomic.Int64
	s := simulatortest.StartWith(t, simulator.Config{Now: func() time.Time { return time.Unix(1_800_000_000+seconds.Load(), 0) }})
	simulatortest.Script(t, s, simulator.Rule{Fault: "legacy_spacing", Hold: true})
	responses := make(chan wiretest.Response, 2)
	ask := func(n int) {
		responses <- wiretest.Send(t.Context(), http.MethodGet, fmt.Sprintf("%s/prompt/cat?width=64&height=64&seed=%d", s.LegacyImageURL(), n), "")
	}
	go ask(1)
	simulatortest.WaitHeld(t, s, 1)
	seconds.Store(50)
	go ask(2)
	simulatortest.WaitCalls(t, s, simulator.KindImage, 2)
	s.Release()
	for range 2 {
		if a := wiretest.Complete(t, <-responses); a.Status != http.StatusOK {
			t.Errorf("status %d", a.Status)
		}
	}
	seconds.Store(60)
	ask(3)
	if a := wiretest.Complete(t, <-responses); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") != "35" {
		t.Errorf("status %d, Retry-After %q", a.Status, a.Header.Get("Retry-After"))
	}
}
