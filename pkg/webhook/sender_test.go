package webhook

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestResponses sends to receivers of all kinds.
func TestResponses(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	followed := false
	handle := func(status int, headers ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for _, h := range headers {
				name, value, _ := strings.Cut(h, ": ")
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
		}
	}
	mux := http.NewServeMux()
	for path, h := range map[string]http.HandlerFunc{
		"/ok":       handle(204),
		"/created":  handle(201, "Retry-After: 9"),
		"/error":    handle(500, "Retry-After: 9"),
		"/busy":     handle(429, "Retry-After: 90"),
		"/later":    handle(503, "Retry-After: "+time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)),
		"/never":    handle(503, "Retry-After: 99999999"),
		"/past":     handle(503, "Retry-After: "+time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)),
		"/redirect": handle(307, "Location: /followed"),
		"/followed": func(http.ResponseWriter, *http.Request) { followed = true },
		"/hang":     func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body); <-hang },
		"/drop":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"/huge":     func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 2*maxResponse)) },
		"/endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, maxResponse)); err != nil {
					return
				}
			}
		},
	} {
		mux.HandleFunc(path, h)
	}
	receiver := httptest.NewServer(mux)
	defer receiver.Close()
	defer close(hang)
	unknown := httptest.NewTLSServer(mux)
	defer unknown.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	s := newSender(allow("127.0.0.0/8", "::1/128"), "test", time.Now)
	for url, want := range map[string]result{
		receiver.URL + "/ok":                      {status: 204},
		receiver.URL + "/created":                 {status: 201},
		receiver.URL + "/endless":                 {status: 200},
		receiver.URL + "/error":                   {status: 500, failure: FailureStatus},
		receiver.URL + "/busy":                    {status: 429, failure: FailureStatus, retryAfter: 90 * time.Second},
		receiver.URL + "/later":                   {status: 503, failure: FailureStatus, retryAfter: time.Hour},
		receiver.URL + "/never":                   {status: 503, failure: FailureStatus, retryAfter: 24 * time.Hour},
		receiver.URL + "/past":                    {status: 503, failure: FailureStatus},
		receiver.URL + "/redirect":                {status: 307, failure: FailureRedirect},
		receiver.URL + "/hang":                    {failure: FailureTimeout},
		receiver.URL + "/drop":                    {failure: FailureConnection},
		receiver.URL + "/huge":                    {failure: FailureConnection},
		closed.URL:                                {failure: FailureConnection},
		unknown.URL:                               {failure: FailureTLS},
		"https://10.0.0.1/":                       {failure: FailureAddress},
		"http://[::ffff:10.0.0.1]/":               {failure: FailureAddress},
		"http://169.254.169.254/latest/meta-data": {failure: FailureAddress},
	} {
		if s.timeout = attemptTimeout; strings.HasSuffix(url, "/hang") {
			s.timeout = 50 * time.Millisecond
		}
		r := s.send(t.Context(), &Delivery{ID: "d", URL: url, Body: []byte("{}")}, nil)
		if difference := want.retryAfter - r.retryAfter; difference >= 0 && difference < time.Minute {
			r.retryAfter = want.retryAfter // A date has passed a little.
		}
		if r != want {
			t.Errorf("%s: %+v, want %+v", url, r, want)
		}
	}
	if followed {
		t.Error("a redirect was followed")
	}
}

// TestSchedule lets every attempt fail, by the clock of the schedule.
func TestSchedule(t *testing.T) {
	t.Parallel()
	begin := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	for _, random := range []float64{0, 0.5, 1} {
		now, d := begin, &Delivery{State: StatePending, Event: "job.failed"}
		for d.State == StatePending {
			d.conclude(result{status: 500, failure: FailureStatus}, now, schedule(), random)
			if d.NextAttemptAt != nil {
				now = d.NextAttemptAt.Time
			}
		}
		// The schedule of Standard Webhooks lasts 75 hours, 35 minutes and 5 seconds.
		standard := 75*time.Hour + 35*time.Minute + 5*time.Second
		took := time.Duration(float64(standard) * (0.9 + 0.2*random))
		if d.Attempts != 10 || d.State != StateFailed || now.Sub(begin).Round(time.Second) != took.Round(time.Second) {
			t.Errorf("%d attempts in %s, then %s; want %s", d.Attempts, now.Sub(begin), d.State, took)
		}
		d.restart(now)
		d.conclude(result{failure: FailureTimeout}, now, schedule(), 0.5)
		if d.Attempts != 11 || d.NextAttemptAt.Sub(now) != 5*time.Second {
			t.Errorf("after it was requested again: %+v", d)
		}
		// The longer one of the schedule and Retry-After counts.
		d.conclude(result{status: 429, failure: FailureStatus, retryAfter: time.Minute}, now, schedule(), 0.5)
		if d.NextAttemptAt.Sub(now) != 5*time.Minute {
			t.Errorf("a short Retry-After: %+v", d)
		}
		d.conclude(result{status: 429, failure: FailureStatus, retryAfter: time.Hour}, now, schedule(), 0.5)
		if d.NextAttemptAt.Sub(now) != time.Hour {
			t.Errorf("a long Retry-After: %+v", d)
		}
	}
	ping := &Delivery{State: StatePending, Event: EventPing}
	if ping.conclude(result{failure: FailureTimeout}, begin, schedule(), 0); ping.State != StateFailed {
		t.Errorf("a ping is repeated: %+v", ping)
	}
}

// TestPacer has many deliveries to a receiver that hangs, and one to another.
func TestPacer(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	p := newPacer(func() time.Time { return now })
	var running []func()
	var last time.Duration
	for range 100 {
		done, wait := p.begin("hangs", "ann")
		if done != nil {
			running = append(running, done)
		}
		last = wait
	}
	if len(running) != hostSlots || last != 96*firstAttempt/hostSlots {
		t.Fatalf("%d attempts at once, the last waits %s", len(running), last)
	}
	if done, _ := p.begin("other", "ann"); done == nil {
		t.Error("another host of the same owner has to wait")
	}
	if done, _ := p.begin("fine", "bob"); done == nil {
		t.Error("another owner has to wait")
	}
	now = now.Add(15 * time.Second)
	for _, done := range running {
		done()
	}
	if done, _ := p.begin("hangs", "ann"); done == nil {
		t.Error("a slot is not free again")
	}
	now = now.Add(time.Hour)
	for i := range 5000 {
		if done, _ := p.begin(string(rune('一'+i)), "owner"+string(rune('一'+i))); done != nil {
			done()
		}
	}
	if len(p.byKey) > 2*maxIdle {
		t.Errorf("%d hosts and owners are remembered", len(p.byKey))
	}
}
