package processor_test

import (
	"slices"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// identical gives jobs the same cache key.
func identical(s *job.Spec) { s.CacheKey = "key" }

// Jobs that are submitted together have one upstream call, whatever happens to the first of them: if it ends without a result, one of
// the others makes the next call.
func TestIdenticalJobsShareACall(t *testing.T) {
	t.Parallel()
	const others = 9
	for name, test := range map[string]struct {
		// first is what the first call does after release; nil if it succeeds.
		first func(c processortest.Call) (*job.Result, error)
		// disturb does something to the first job while it is called.
		disturb func(r *rig, s *job.Spec)
		status  job.Status
		calls   int
	}{
		"it succeeds": {status: job.StatusSucceeded, calls: 1},
		"it fails": {
			first: func(processortest.Call) (*job.Result, error) {
				return nil, imageFault(fault.Permanent, job.CodeInternal)
			},
			status: job.StatusFailed, calls: 2,
		},
		"it fails once": {
			first: func(processortest.Call) (*job.Result, error) {
				return nil, imageFault(fault.Retryable, job.CodeUnavailable)
			},
			status: job.StatusSucceeded, calls: 2,
		},
		"it is canceled": {
			disturb: func(r *rig, s *job.Spec) {
				if _, err := r.Jobs.Cancel(r.Context(), []string{s.Owner}, s.ID); err != nil {
					r.Fatal(err)
				}
			},
			status: job.StatusCanceled, calls: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			release := make(chan struct{})
			g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
				select {
				case <-release:
				case <-c.Ctx.Done():
					return nil, c.Ctx.Err()
				}
				if c.N == 1 && test.first != nil && c.Task.Spec.Tags != nil {
					return test.first(c)
				}
				return processortest.Succeed(c)
			})
			w := r.Start(g)
			first := r.Submit(job.KindImage, identical, func(s *job.Spec) { s.Tags = []string{"first"} })
			g.WaitCalls(t, 1)
			var rest []*job.Spec
			for range others {
				rest = append(rest, r.Submit(job.KindImage, identical))
			}
			for _, s := range rest {
				p := r.WaitProgress(s, "it waits for the first", func(p *job.Progress) bool { return p.WaitingFor == job.ReasonIdentical })
				if p.Status != job.StatusQueued || p.Failures != 0 || p.Attempt != 0 {
					t.Fatalf("progress is %+v", p)
				}
			}
			// Waiting jobs occupy no slot.
			if other := r.Submit(job.KindImage); test.disturb == nil {
				g.WaitCalls(t, 2)
				defer r.WaitSettled(other)
			} else {
				test.disturb(r, first)
			}
			close(release)
			if record := r.WaitSettled(first); record.Status != test.status || record.Cached {
				t.Errorf("the first became %+v", record)
			}
			made, cached := g.Count(first.ID), 0
			for _, s := range rest {
				record := r.WaitSettled(s)
				if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || string(r.Media(s, 0)) != "p\x00" {
					t.Errorf("another became %+v", record)
				}
				made += g.Count(s.ID)
				if record.Cached {
					cached++
				} else if record.Attempt != 1 {
					t.Errorf("attempt %d", record.Attempt)
				}
			}
			want := others
			if test.status != job.StatusSucceeded {
				want--
			}
			if made != test.calls || cached != want {
				t.Errorf("%d calls and %d copies, want %d and %d", made, cached, test.calls, want)
			}
			joined := counter(t, w.Metrics.CachedResults.WithLabelValues("image", telemetry.CacheJoined))
			if hit := counter(t, w.Metrics.CachedResults.WithLabelValues("image", telemetry.CacheHit)); int(joined) != want || hit != 0 {
				t.Errorf("counted as %v joined and %v hits", joined, hit)
			}
		})
	}
}

// The others wait for a job whose worker has died until another worker continues it.
func TestIdenticalJobsAfterALostWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait, withPort)
	first := r.Submit(job.KindAudio, identical)
	r.crash()
	second := r.Submit(job.KindAudio, identical)
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	if record := r.WaitSettled(first); record.Status != job.StatusSucceeded || record.Cached || record.Crashes != 1 {
		t.Errorf("the first became %+v", record)
	}
	if record := r.WaitSettled(second); !record.Cached || g.Count(second.ID) != 0 || string(r.Media(second, 0)) != "sound" {
		t.Errorf("the second became %+v", record)
	}
}

// A result is copied: neither job depends on the other, and one that can no longer be copied is made again.
func TestCopiesAreIndependent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	w := r.Start(g)
	usage := func(s *job.Spec) { s.Charge = &job.Charge{Who: "who", Day: job.DayOf(time.Now()), Units: 1} }
	set := []processortest.SpecOption{identical, usage, processortest.Images(2, 7)}
	first := r.Submit(job.KindImage, set...)
	r.WaitSettled(first)
	second := r.Submit(job.KindImage, set...)
	record := r.WaitSettled(second)
	if !record.Cached || len(record.Result.Media) != 2 || record.GivesBack() != 1 {
		t.Fatalf("the second became %+v", record)
	}
	if n := counter(t, w.Metrics.CachedResults.WithLabelValues("image", telemetry.CacheHit)); n != 1 {
		t.Errorf("%v hits", n)
	}
	// The media of the first are gone before those of the third are copied.
	if err := r.Store.Delete(t.Context(), first.Owner, first.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Store.PutRecord(t.Context(), &job.Record{
		Status: job.StatusSucceeded, Spec: first, Result: &job.Result{Media: record.Result.Media}, FinishedAt: job.At(time.Now()),
	}); err != nil {
		t.Fatal(err)
	}
	third := r.Submit(job.KindImage, set...)
	if record := r.WaitSettled(third); record.Cached || g.Count(third.ID) != 1 {
		t.Errorf("the third became %+v after %d calls", record, g.Count(third.ID))
	}
	// Now the third has the result.
	if record := r.WaitSettled(r.Submit(job.KindImage, set...)); !record.Cached {
		t.Errorf("the fourth became %+v", record)
	}
	if string(r.Media(second, 1)) != "p\x01" {
		t.Error("the second has lost its image")
	}
	for _, other := range []processortest.SpecOption{func(s *job.Spec) { s.Owner = "other" }, func(s *job.Spec) { s.CacheKey = "other" }} {
		if s := r.Submit(job.KindImage, append(slices.Clone(set), other)...); r.WaitSettled(s).Cached || g.Count(s.ID) != 1 {
			t.Error("the result of another owner, or of another request, was used")
		}
	}
}

// A job near its deadline is made without waiting for an identical one, and so is one when the cache is missing.
func TestJobsThatDoNotJoin(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	gate := newGate(t)
	g := gate.generator()
	r.Start(g, func(c *processor.Config) { c.ImageTimeout = time.Hour })
	r.Submit(job.KindImage, identical)
	g.WaitCalls(t, 1)
	r.Submit(job.KindImage, identical, func(s *job.Spec) {
		s.CreatedAt = job.At(time.Now().Add(-time.Hour))
		s.Deadline = job.At(time.Now().Add(30 * time.Minute))
	})
	g.WaitCalls(t, 2)
	gate.release()
	if err := r.Broker.JetStream().DeleteStream(t.Context(), broker.CacheStream); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := r.Submit(job.KindAudio, identical)
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Cached {
			t.Errorf("without the cache it became %+v", record)
		}
	}
}
