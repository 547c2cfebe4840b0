package control_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// controller returns a controller that is stopped when the test ends.
func controller(t testing.TB, s *control.Store) *control.Controller {
	t.Helper()
	c := control.NewController(s, slog.New(slog.DiscardHandler), nil)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func trip(code string, pause time.Duration) control.Trip {
	return control.Trip{Upstream: job.UpstreamImage, Code: code, Status: 429, Pause: func(int) time.Duration { return pause }}
}

// until waits until the view satisfies a condition.
func until(t *testing.T, c *control.Controller, what string, see func(control.View) bool) {
	t.Helper()
	guard := time.NewTimer(hang)
	defer guard.Stop()
	for {
		changed := c.Changed()
		if see(c.View()) {
			return
		}
		select {
		case <-changed:
		case <-guard.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// TestPausesOnlyLengthen trips a circuit repeatedly, as concurrent calls do.
func TestPausesOnlyLengthen(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	c := controller(t, s)
	before, first, err := c.Trip(t.Context(), trip(job.CodeThrottled, time.Minute))
	if err != nil || before.Open() || first.Trips != 1 || first.State != control.CircuitOpen {
		t.Fatalf("%+v, %+v, %v", before, first, err)
	}
	for _, test := range []struct {
		name    string
		pause   time.Duration
		changed bool
	}{{"shorter", time.Second, false}, {"none", 0, false}, {"longer", time.Hour, true}, {"shorter again", time.Minute, false}} {
		name := test.name
		before, got, err := c.Trip(t.Context(), trip(job.CodeThrottled, test.pause))
		if err != nil || got.Trips != 1 || got.Until.Before(before.Until.Time) || (got != before) != test.changed {
			t.Errorf("%s: %+v, %+v, %v", name, before, got, err)
		}
	}
	// A misconfiguration takes precedence over a throttle, however short.
	_, got, err := c.Trip(t.Context(), trip(job.CodeMisconfigured, time.Millisecond))
	if err != nil || got.Code != job.CodeMisconfigured || got.Until.Before(first.Until.Time) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestOneProbe requests a permit concurrently.
func TestOneProbe(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	c := controller(t, s)
	ctx := t.Context()
	if mine, err := c.Probe(ctx, job.UpstreamImage, "w", time.Minute); err != nil || mine {
		t.Errorf("of a closed circuit: %t, %v", mine, err)
	}
	if _, _, err := c.Trip(ctx, trip(job.CodeThrottled, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if mine, err := c.Probe(ctx, job.UpstreamImage, "w", time.Minute); err != nil || mine {
		t.Errorf("before its time: %t, %v", mine, err)
	}
	if err := c.Reconsider(ctx, job.UpstreamImage, job.CodeMisconfigured); err != nil || c.View().Circuit(job.UpstreamImage).Due(time.Now()) {
		t.Errorf("reconsidered for another reason: %v", err)
	}
	if err := c.Reconsider(ctx, job.UpstreamImage, job.CodeThrottled); err != nil || !c.View().Circuit(job.UpstreamImage).Due(time.Now()) {
		t.Errorf("not reconsidered: %v", err)
	}
	var won atomic.Int32
	done := make(chan error, 20)
	for range 20 {
		go func() {
			mine, err := controller(t, on(t, b)).Probe(ctx, job.UpstreamImage, "w", time.Minute)
			if mine {
				won.Add(1)
			}
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if won.Load() != 1 {
		t.Errorf("%d workers have the permit", won.Load())
	}
	// Only the holder of the permit can close the circuit.
	if changed, err := c.Close(ctx, job.UpstreamImage, "x"); err != nil || changed {
		t.Errorf("closed by another worker: %t, %v", changed, err)
	}
	if err := c.ReleaseProbe(ctx, job.UpstreamImage, "w"); err != nil {
		t.Fatal(err)
	}
	if mine, err := c.Probe(ctx, job.UpstreamImage, "w", time.Minute); err != nil || !mine {
		t.Fatalf("after its release: %t, %v", mine, err)
	}
	// An earlier call with a Retry-After reopens the circuit, which revokes the permit.
	if _, got, err := c.Trip(ctx, trip(job.CodeThrottled, time.Hour)); err != nil || got.State != control.CircuitOpen || got.Trips != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if changed, err := c.Close(ctx, job.UpstreamImage, "w"); err != nil || changed {
		t.Errorf("closed with a revoked permit: %t, %v", changed, err)
	}
	if err := c.Reconsider(ctx, job.UpstreamImage, job.CodeThrottled); err != nil {
		t.Fatal(err)
	}
	if mine, err := c.Probe(ctx, job.UpstreamImage, "v", time.Minute); err != nil || !mine {
		t.Fatalf("after its release: %t, %v", mine, err)
	}
	again := trip(job.CodeThrottled, time.Hour)
	again.Probe = "v"
	if _, got, err := c.Trip(ctx, again); err != nil || got.Trips != 2 || got.State != control.CircuitOpen {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestReconsider makes a circuit due early, but not before the time that the upstream requested.
func TestReconsider(t *testing.T) {
	t.Parallel()
	refusal := trip(job.CodeMisconfigured, time.Hour)
	asking, patient := refusal, trip(job.CodeThrottled, time.Minute)
	asking.RetryAfter, patient.RetryAfter = time.Hour, time.Minute
	over := patient
	over.RetryAfter = time.Nanosecond
	for name, test := range map[string]struct {
		trips []control.Trip
		due   bool
	}{
		"refused":                      {[]control.Trip{refusal}, true},
		"refused with Retry-After":     {[]control.Trip{asking}, false},
		"Retry-After, then refused":    {[]control.Trip{patient, refusal}, false},
		"refused, shorter Retry-After": {[]control.Trip{refusal, patient}, false},
		"Retry-After has passed":       {[]control.Trip{over, refusal}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := start(t)
			c := controller(t, s)
			for _, trip := range test.trips {
				if _, _, err := c.Trip(t.Context(), trip); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Reconsider(t.Context(), job.UpstreamImage, job.CodeMisconfigured); err != nil {
				t.Fatal(err)
			}
			// The time is truncated to milliseconds.
			got, now := c.View().Circuit(job.UpstreamImage), time.Now().Add(time.Second)
			if got.Due(now) != test.due || !got.Retrial || got.Code != job.CodeMisconfigured {
				t.Errorf("%+v", got)
			}
		})
	}
}

// TestRetrialEnds checks that the next fault ends a retrial.
func TestRetrialEnds(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	c := controller(t, s)
	again := trip(job.CodeMisconfigured, time.Hour)
	for range 2 {
		if _, got, err := c.Trip(t.Context(), again); err != nil || got.Retrial {
			t.Fatalf("%+v, %v", got, err)
		}
		if err := c.Reconsider(t.Context(), job.UpstreamImage, job.CodeMisconfigured); err != nil || !c.View().Circuit(job.UpstreamImage).Retrial {
			t.Fatalf("%+v, %v", c.View().Circuit(job.UpstreamImage), err)
		}
		if mine, err := c.Probe(t.Context(), job.UpstreamImage, "w", time.Minute); err != nil || !mine {
			t.Fatalf("%t, %v", mine, err)
		}
		again.Probe = "w"
	}
	if changed, err := c.Close(t.Context(), job.UpstreamImage, "w"); err != nil || !changed || c.View().Circuit(job.UpstreamImage).Retrial {
		t.Errorf("%+v, %v", c.View().Circuit(job.UpstreamImage), err)
	}
}

// TestDeadProbeIsReplaced lets the permit expire.
func TestDeadProbeIsReplaced(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	c := controller(t, s)
	if _, _, err := c.Trip(t.Context(), trip(job.CodeThrottled, 0)); err != nil {
		t.Fatal(err)
	}
	if mine, err := c.Probe(t.Context(), job.UpstreamImage, "dead", 0); err != nil || !mine {
		t.Fatalf("%t, %v", mine, err)
	}
	if mine, err := c.Probe(t.Context(), job.UpstreamImage, "w", time.Minute); err != nil || !mine {
		t.Errorf("%t, %v", mine, err)
	}
	if changed, err := c.Close(t.Context(), job.UpstreamImage, "w"); err != nil || !changed || c.View().Circuit(job.UpstreamImage).Open() {
		t.Errorf("%t, %v", changed, err)
	}
}

// TestChangesReachEveryController changes the state in one process and reads it in another, and in one that starts later.
func TestChangesReachEveryController(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	mine, other := controller(t, s), controller(t, on(t, b))
	if _, _, err := mine.Trip(t.Context(), trip(job.CodeThrottled, time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.Pause(t.Context(), job.KindAudio, time.Now().Add(time.Hour), "why"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*control.Controller{"the other": other, "a later one": controller(t, on(t, b))} {
		until(t, c, name+" knows", func(v control.View) bool {
			p := v.Pauses[job.KindAudio]
			return v.Circuit(job.UpstreamImage).Open() && p.Active(time.Now()) && p.Note == "why"
		})
		now := time.Now()
		for kind, held := range map[job.Kind]bool{
			job.KindImage: true, job.KindAudio: true, job.KindPrompt: false, job.KindTranslation: false,
		} {
			if got := c.View().PausedUntil(kind, now); got.IsZero() == held {
				t.Errorf("%s: %s is paused until %s", name, kind, got)
			}
		}
	}
	if err := other.Resume(t.Context(), job.KindAudio); err != nil {
		t.Fatal(err)
	}
	until(t, mine, "resumed", func(v control.View) bool { return v.PausedUntil(job.KindAudio, time.Now()).IsZero() })
}

// TestConsumersArePaused reads the state of the consumers from NATS.
func TestConsumersArePaused(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	c := controller(t, s)
	paused := func(kind job.Kind) int {
		n := 0
		for _, lane := range job.Lanes() {
			consumer, err := b.JetStream().Consumer(t.Context(), broker.StreamJobs, broker.ConsumerName(kind, lane))
			if err != nil {
				t.Fatal(err)
			}
			if consumer.CachedInfo().Paused {
				n++
			}
		}
		return n
	}
	eventually := func(what string, see func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), hang)
		defer cancel()
		for !see() {
			if ctx.Err() != nil {
				t.Fatalf("never: %s", what)
			}
		}
	}
	if _, _, err := c.Trip(t.Context(), trip(job.CodeMisconfigured, time.Hour)); err != nil {
		t.Fatal(err)
	}
	eventually("both lanes are paused", func() bool { return paused(job.KindImage) == 2 })
	if n := paused(job.KindAudio) + paused(job.KindPrompt) + paused(job.KindTranslation); n != 0 {
		t.Errorf("%d consumers of other kinds are paused", n)
	}
	if err := c.Reconsider(t.Context(), job.UpstreamImage, job.CodeMisconfigured); err != nil {
		t.Fatal(err)
	}
	eventually("both lanes are resumed", func() bool { return paused(job.KindImage) == 0 })
}

// TestNewProcessResumesConsumers starts a controller while a consumer is paused without a reason.
func TestNewProcessResumesConsumers(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	name := broker.ConsumerName(job.KindPrompt, job.LaneGuest)
	if _, err := b.JetStream().PauseConsumer(t.Context(), broker.StreamJobs, name, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	controller(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	for {
		consumer, err := b.JetStream().Consumer(ctx, broker.StreamJobs, name)
		if err != nil {
			t.Fatal(err)
		}
		if !consumer.CachedInfo().Paused {
			return
		}
	}
}

// TestPurgedState purges a state that a controller has in its view.
func TestPurgedState(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	c := controller(t, s)
	if _, _, err := c.Trip(t.Context(), trip(job.CodeThrottled, time.Hour)); err != nil {
		t.Fatal(err)
	}
	stream, err := b.JetStream().Stream(t.Context(), broker.ControlStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(broker.CircuitSubject(job.UpstreamImage))); err != nil {
		t.Fatal(err)
	}
	until(t, c, "the state is removed", func(v control.View) bool { return !v.Circuit(job.UpstreamImage).Open() })
}

// TestOnChange checks that onChange is called at the start, after a change and after a purge.
func TestOnChange(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	views := make(chan control.View, 16)
	c := control.NewController(s, slog.New(slog.DiscardHandler), func(v control.View) { views <- v })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	receives := func(what string, want bool) {
		t.Helper()
		guard := time.NewTimer(hang)
		defer guard.Stop()
		select {
		case v := <-views:
			if v.Circuit(job.UpstreamImage).Open() != want {
				t.Errorf("%s: %+v", what, v.Circuit(job.UpstreamImage))
			}
		case <-guard.C:
			t.Fatalf("not called: %s", what)
		}
	}
	receives("the start", false)
	if _, _, err := c.Trip(t.Context(), trip(job.CodeThrottled, time.Hour)); err != nil {
		t.Fatal(err)
	}
	receives("a change", true)
	stream, err := b.JetStream().Stream(t.Context(), broker.ControlStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(broker.CircuitSubject(job.UpstreamImage))); err != nil {
		t.Fatal(err)
	}
	receives("the state is removed", false)
}

// TestWaiting checks what a job waits for in every state.
func TestWaiting(t *testing.T) {
	t.Parallel()
	now := time.Now()
	later := job.At(now.Add(time.Minute))
	open := control.Circuit{Upstream: job.UpstreamImage, State: control.CircuitOpen, Code: job.CodeThrottled, Until: later}
	half := open
	half.State = control.CircuitHalfOpen
	paused := map[job.Kind]control.Pause{job.KindImage: {Kind: job.KindImage, Until: job.At(now.Add(time.Hour))}}
	for name, test := range map[string]struct {
		view   control.View
		status job.Status
		next   *job.Time
		reason string
		at     *job.Time
	}{
		"nothing":                {control.View{}, job.StatusQueued, nil, "", nil},
		"closed":                 {circuits(open), job.StatusQueued, nil, job.CodeThrottled, &later},
		"closed, retrying":       {circuits(open), job.StatusRetrying, job.AtPtr(now), job.CodeThrottled, &later},
		"own pause is longer":    {circuits(open), job.StatusRetrying, job.AtPtr(now.Add(time.Hour)), "", job.AtPtr(now.Add(time.Hour))},
		"running all the same":   {circuits(open), job.StatusRunning, nil, "", nil},
		"ended":                  {circuits(open), job.StatusSucceeded, nil, "", nil},
		"half open":              {circuits(half), job.StatusQueued, nil, job.CodeThrottled, nil},
		"paused by the operator": {control.View{Pauses: paused}, job.StatusQueued, nil, job.ReasonPaused, job.AtPtr(now.Add(time.Hour))},
	} {
		reason, at := "", test.next
		if w := test.view.Waiting(job.KindImage, test.status, test.next, now); w != nil {
			reason = w.Reason
			if w.Until != nil {
				at = w.Until
			}
			if (w.Upstream == "") != (reason == job.ReasonPaused) {
				t.Errorf("%s: waits for upstream %q", name, w.Upstream)
			}
		}
		if reason != test.reason {
			t.Errorf("%s: %q, want %q", name, reason, test.reason)
		}
		if (at == nil) != (test.at == nil) || (test.at != nil && !at.Equal(test.at.Time)) {
			t.Errorf("%s: next attempt at %v, want %v", name, at, test.at)
		}
		if w := test.view.Waiting(job.KindAudio, test.status, nil, now); w != nil {
			t.Errorf("%s: another kind waits for %+v", name, *w)
		}
	}
}

func circuits(c control.Circuit) control.View {
	return control.View{Circuits: map[string]control.Circuit{c.Upstream: c}}
}
