package jobs_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// speech returns an order for speech, changed by the given functions.
func speech(t testing.TB, s *jobs.Submitter, text string, change ...func(*jobs.Order)) *jobs.Order {
	t.Helper()
	o, err := s.NewOrder(job.KindAudio, &job.AudioInput{Text: text}, nil, catalogue.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(o)
	}
	return o
}

// work ends a queued job as a worker does: with a copy of the result of an identical one, or with one of its own.
func (r *rig) work(t testing.TB, spec *job.Spec) *job.Record {
	t.Helper()
	claim, err := r.Claim(t.Context(), spec, "")
	if err != nil || claim.Leader != "" {
		t.Fatalf("claim: %+v, %v", claim, err)
	}
	st := jobs.Settlement{
		Record:   &job.Record{Status: job.StatusSucceeded, Result: &job.Result{Usage: &job.Usage{Cost: "1"}}},
		Products: []store.Product{{Media: job.Media{ContentType: "audio/mpeg", Usage: &job.Usage{Cost: "1"}}, Data: []byte("sound")}},
	}
	if claim.Result != nil {
		st = jobs.Settlement{Record: claim.Result.Copy(), CopyOf: claim.Result.Spec.ID}
	}
	st.Record.Spec, st.Record.FinishedAt = spec, job.At(time.Now())
	final, _, err := r.Settle(t.Context(), st)
	if err != nil {
		t.Fatal(err)
	}
	return final
}

// isCopy checks that a job has a copy of the speech of work.
func (r *rig) isCopy(t testing.TB, record *job.Record) {
	t.Helper()
	if !record.Cached || record.Result.Usage != nil || len(record.Result.Media) != 1 || record.Result.Media[0].Usage != nil {
		t.Fatalf("record is %+v", record)
	}
	content, err := r.store.OpenMedia(t.Context(), record.Spec.Owner, record.Spec.ID, record.Result.Media[0])
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(content); err != nil || string(data) != "sound" {
		t.Errorf("media %q, %v", data, err)
	}
}

// cached returns how many keys the cache has of an owner.
func (r *rig) cached(t testing.TB, owner string) int {
	t.Helper()
	stream, err := r.broker.JetStream().Stream(t.Context(), broker.CacheStream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(broker.OwnerCacheSubject(owner)))
	if err != nil {
		t.Fatal(err)
	}
	return len(info.State.Subjects)
}

// TestCopiesAreNotCharged submits speech again after the quota of its owner is used up.
func TestCopiesAreNotCharged(t *testing.T) {
	t.Parallel()
	const most = 60 // copies in a minute
	r := start(t)
	limits, now := quota.Limits{PerMinute: 1, PerDay: 1}, time.Now()
	s, err := jobs.NewSubmitter(jobs.Config{MaxAttempts: 1, Voice: "nova", MaxActiveMember: 1}, jobs.SubmitterDeps{
		Jobs: r.Service, Catalogue: catalogue.Builtin(), Secret: []byte("secret"),
		Quota:   quota.New(r.broker, quota.Plans{Media: quota.Plan{Member: limits}}, nil),
		Metrics: telemetry.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	caller := jobs.Caller{Owner: "u1", Lane: job.LaneMember}
	first, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening."))
	if err != nil {
		t.Fatal(err)
	}
	if record := r.work(t, first.Job.Spec); record.Cached || record.GivesBack() != 0 {
		t.Fatalf("the first became %+v", record)
	}
	for n := range most {
		again, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening."))
		if err != nil || again.Job.Status() != job.StatusSucceeded || again.Job.Spec.ID == first.Job.Spec.ID || again.Usage != nil {
			t.Fatalf("copy %d: %+v, %v", n, again, err)
		}
		if n == 0 {
			r.isCopy(t, again.Job.Record)
		}
	}
	// Everything else needs a quota: the next copy in the same minute, another text, and a result of its own.
	if _, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening.")); !isRefusal(err) {
		t.Errorf("one more copy: %v", err)
	}
	now = now.Add(time.Minute)
	uncached := func(o *jobs.Order) {
		if err := o.SetUncached(); err != nil {
			t.Fatal(err)
		}
	}
	for name, o := range map[string]*jobs.Order{
		"another text": speech(t, s, "Good morning."), "a result of its own": speech(t, s, "Good evening.", uncached),
	} {
		if _, err := s.Submit(t.Context(), caller, o); !isRefusal(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := jobs.Caller{Owner: "u2", Lane: job.LaneMember}
	if got, err := s.Submit(t.Context(), other, speech(t, s, "Good evening.")); err != nil || got.Job.Status() != job.StatusQueued {
		t.Errorf("another owner: %+v, %v", got, err)
	}
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*quota.Refusal](err)
	return ok
}

// TestCopyStoppedInEachGap stops a submission that is answered with a copy after each step. What a client may know of is never lost:
// with an idempotency key the job is there and the same, and with a webhook its event is published once.
func TestCopyStoppedInEachGap(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.submitter(t, "DEFAULT_AUDIO_VOICE=nova")
	for name, change := range map[string]func(*jobs.Order){
		"plain": func(*jobs.Order) {},
		"key":   func(o *jobs.Order) { o.Key = "k" },
		"webhook": func(o *jobs.Order) {
			if err := o.RequestWebhook("https://hooks.example.org/", nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, step := range append([]jobs.Step{jobs.StepPush}, endSteps()...) {
			caller := jobs.Caller{Owner: name + "-" + string(step), Lane: job.LaneMember}
			first, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening."))
			if err != nil {
				t.Fatal(err)
			}
			r.work(t, first.Job.Spec)
			order := speech(t, s, "Good evening.", change)
			stopped := false
			r.SetAfter(func(at jobs.Step) error {
				if at != step {
					return nil
				}
				stopped = true
				return errCrash
			})
			_, _ = s.Submit(t.Context(), caller, order)
			r.SetAfter(nil)
			if name != "plain" && !stopped {
				t.Fatalf("%s: the step %s was not taken", name, step)
			}
			id, err := s.Identify(caller, order)
			if err != nil {
				t.Fatal(err)
			}
			// A worker continues with what is in the queue.
			if snap, err := r.Read(t.Context(), []string{caller.Owner}, id); err == nil && snap.Record == nil {
				r.work(t, snap.Spec)
			} else if snap != nil && r.queued(t, snap.Spec) {
				if err := r.Finish(t.Context(), jobs.Settlement{Record: snap.Record}); err != nil {
					t.Fatal(err)
				}
			}
			snap, err := r.Read(t.Context(), []string{caller.Owner}, id)
			if name == "plain" && errors.Is(err, jobs.ErrNotFound) && step == jobs.StepMedia {
				continue // It was never accepted.
			}
			if err != nil || r.queued(t, snap.Spec) {
				t.Fatalf("%s, %s: %+v, %v", name, step, snap, err)
			}
			r.isCopy(t, snap.Record)
			if published := len(r.events(t, caller.Owner)); (published == 1) != (name == "webhook") {
				t.Errorf("%s, %s: %d events", name, step, published)
			}
			if name != "key" {
				continue
			}
			if again, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening.", change)); err != nil || !again.Replayed || again.Job.Spec.ID != id {
				t.Errorf("%s, %s: repeated: %+v, %v", name, step, again, err)
			}
			if _, err := s.Submit(t.Context(), caller, speech(t, s, "Good morning.", change)); !errors.Is(err, jobs.ErrKeyReused) {
				t.Errorf("%s, %s: another request: %v", name, step, err)
			}
		}
	}
}

// TestClaim claims a result from another job in each of its states.
func TestClaim(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, tc := range map[string]struct {
		arrange func(*job.Spec)
		want    string
	}{
		"it is queued":  {func(*job.Spec) {}, "wait"},
		"it is running": {func(s *job.Spec) { r.progress(t, s, job.StatusRunning) }, "wait"},
		"it has a result": {func(s *job.Spec) {
			r.putRecord(t, &job.Record{Status: job.StatusSucceeded, Spec: s, Result: &job.Result{Media: make([]job.Media, 1)}})
		}, "copy"},
		"images are missing": {func(s *job.Spec) {
			result := &job.Result{Media: make([]job.Media, 1), Missing: make([]job.Missing, 1)}
			r.putRecord(t, &job.Record{Status: job.StatusSucceeded, Spec: s, Result: result})
		}, "lead"},
		"it has failed": {func(s *job.Spec) { r.record(t, s, job.StatusFailed) }, "lead"},
		"it was canceled": {func(s *job.Spec) {
			if _, err := r.Cancel(t.Context(), []string{s.Owner}, s.ID); err != nil {
				t.Fatal(err)
			}
		}, "lead"},
		"it was deleted": {func(s *job.Spec) {
			r.finish(t, s)
			if err := r.Delete(t.Context(), []string{s.Owner}, s.ID); err != nil {
				t.Fatal(err)
			}
		}, "lead"},
	} {
		first, second := fresh(t, "u1"), fresh(t, "u1")
		first.CacheKey, second.CacheKey = first.ID, first.ID
		for _, spec := range []*job.Spec{first, second} {
			r.submitSpec(t, spec)
		}
		claimed := func(spec *job.Spec) string {
			claim, err := r.Claim(t.Context(), spec, "")
			switch {
			case err != nil:
				return err.Error()
			case claim.Leader == first.ID && claim.Result == nil:
				return "wait"
			case claim.Result != nil && claim.Result.Spec.ID == first.ID && claim.Leader == "":
				return "copy"
			case claim == jobs.Claim{}:
				return "lead"
			}
			return "neither"
		}
		for range 2 {
			if got := claimed(first); got != "lead" {
				t.Fatalf("the first: %s", got)
			}
		}
		tc.arrange(first)
		if got := claimed(second); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	// Nothing is left of an owner who is erased, which Erase does last.
	if err := r.store.EraseRemains(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if n := r.cached(t, "u1"); n != 0 {
		t.Errorf("%d keys are left in the cache", n)
	}
}

// concurrentClaims claims each result for several jobs at all nodes concurrently: one of them is the leader.
func concurrentClaims(t *testing.T, rigs []*rig) {
	t.Helper()
	for range 20 {
		var leaders atomic.Int32
		var wg sync.WaitGroup
		key := keyedID()
		for i := range 6 {
			spec := fresh(t, "u4")
			spec.CacheKey = key
			rigs[i%3].submitSpec(t, spec)
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), hang)
				defer cancel()
				claim, err := rigs[i%3].Claim(ctx, spec, "")
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				if claim == (jobs.Claim{}) {
					leaders.Add(1)
				}
			})
		}
		wg.Wait()
		if leaders.Load() != 1 {
			t.Errorf("%d leaders", leaders.Load())
		}
	}
}
