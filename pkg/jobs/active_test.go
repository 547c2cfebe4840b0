package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// submitter returns a submitter with the settings of some variables and without a quota.
func (r *rig) submitter(t testing.TB, environ ...string) *jobs.Submitter {
	t.Helper()
	return r.submitterAt(t, nil, environ...)
}

// submitterAt is submitter with a clock.
func (r *rig) submitterAt(t testing.TB, now func() time.Time, environ ...string) *jobs.Submitter {
	t.Helper()
	var cfg jobs.Config
	if err := env.Load(environ, &cfg); err != nil {
		t.Fatal(err)
	}
	s, err := jobs.NewSubmitter(cfg, jobs.SubmitterDeps{
		Jobs: r.Service, Quota: quota.New(r.broker, quota.Plans{}, nil), Catalogue: catalogue.Builtin(), Secret: []byte("secret"),
		Metrics: telemetry.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// accepts submits an image job and reports whether it was accepted and not refused for too many active jobs.
func accepts(t testing.TB, s *jobs.Submitter, caller jobs.Caller, key string, most int) bool {
	t.Helper()
	order, err := s.NewOrder(job.KindImage, &job.ImageInput{Prompt: "a lighthouse"}, nil, catalogue.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	order.Key = key
	_, err = s.Submit(t.Context(), caller, order)
	if err == nil {
		return true
	}
	if tooMany, ok := errors.AsType[*jobs.TooManyActiveError](err); !ok || tooMany.Max != most || !jobs.NotSubmitted(err) {
		t.Errorf("submit: %v", err)
	}
	return false
}

// TestActiveJobsOfEachLane submits jobs of members and guests up to their limits, and without limits.
func TestActiveJobsOfEachLane(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environ []string
		lane    job.Lane
		owner   string
		most    int
	}{
		"guest":               {nil, job.LaneGuest, "g-1", 4},
		"member":              {nil, job.LaneMember, "u1", 20},
		"guest, two":          {[]string{"MAX_ACTIVE_JOBS_GUEST=2"}, job.LaneGuest, "g-1", 2},
		"member, one":         {[]string{"MAX_ACTIVE_JOBS_MEMBER=1"}, job.LaneMember, "u1", 1},
		"guest, no limit":     {[]string{"MAX_ACTIVE_JOBS_GUEST=0"}, job.LaneGuest, "g-1", 0},
		"member, no limit":    {[]string{"MAX_ACTIVE_JOBS_MEMBER=0"}, job.LaneMember, "u1", 0},
		"without a name":      {[]string{"MAX_ACTIVE_JOBS_GUEST=1"}, job.LaneGuest, job.OwnerAnonymous, 0},
		"other lane's limits": {[]string{"MAX_ACTIVE_JOBS_GUEST=1"}, job.LaneMember, "u1", 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t).submitter(t, tc.environ...)
			accepted := 0
			for range 30 {
				if accepts(t, s, jobs.Caller{Owner: tc.owner, Lane: tc.lane}, "", tc.most) {
					accepted++
				}
			}
			want := tc.most
			if want == 0 {
				want = 30
			}
			if accepted != want {
				t.Errorf("%d jobs accepted, want %d", accepted, want)
			}
		})
	}
}

// TestActiveJobsOfABurst submits a hundred jobs of one guest concurrently, and a few of another. Exactly as many as the limit are
// accepted, with and without keys, and no reservation is left.
func TestActiveJobsOfABurst(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"plain": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			s := r.submitter(t)
			one, other := jobs.Caller{Owner: "g-1", Lane: job.LaneGuest}, jobs.Caller{Owner: "g-2", Lane: job.LaneGuest}
			var accepted atomic.Int32
			var wg sync.WaitGroup
			for n := range 100 {
				wg.Go(func() {
					key := ""
					if keyed {
						key = fmt.Sprint(n)
					}
					if accepts(t, s, one, key, 4) {
						accepted.Add(1)
					}
				})
			}
			for range 4 {
				wg.Go(func() {
					if !accepts(t, s, other, "", 4) {
						t.Error("another guest is refused")
					}
				})
			}
			wg.Wait()
			ids, err := r.queue.OwnerIDs(t.Context(), "g-1")
			if err != nil || accepted.Load() != 4 || len(ids) != 4 {
				t.Errorf("%d accepted, %d in the queue, want 4; %v", accepted.Load(), len(ids), err)
			}
			if n := s.Inflight(); n != 0 {
				t.Errorf("%d owners have reservations left", n)
			}
		})
	}
}

// TestActiveJobsAreCountedOnce submits jobs of one member. They are counted once a second, and whenever as many as the limit may be
// active: jobs that have ended make room at once, and those that another process has submitted take it after a second.
func TestActiveJobsAreCountedOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	now := time.Now()
	s := r.submitterAt(t, func() time.Time { return now }, "MAX_ACTIVE_JOBS_MEMBER=4")
	requests := brokertest.Subscribe(t, r.broker.Conn(), "$JS.API.DIRECT.GET."+broker.StreamJobs)
	counted := 0
	submit := func(name string, accepted, counts bool) {
		t.Helper()
		if got := accepts(t, s, jobs.Caller{Owner: "u1", Lane: job.LaneMember}, "", 4); got != accepted {
			t.Errorf("%s: accepted %t, want %t", name, got, accepted)
		}
		if err := r.broker.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		n, _, err := requests.Pending()
		if err != nil {
			t.Fatal(err)
		}
		if counts != (n > counted) {
			t.Errorf("%s: %d requests, want more: %t", name, n-counted, counts)
		}
		counted = n
	}
	other := r.submit(t)
	submit("the first", true, true)
	submit("the second", true, false)
	another := r.submit(t) // The fourth, which this process does not know of.
	submit("the third", true, false)
	submit("as many as the limit may be active", false, true)
	r.finish(t, other)
	submit("five are", false, true)
	r.finish(t, another)
	submit("one has ended", true, true)
	submit("four are", false, true)
	ids, err := r.queue.OwnerIDs(t.Context(), "u1")
	if err != nil || len(ids) != 4 {
		t.Fatalf("%d jobs, %v", len(ids), err)
	}
	for _, id := range ids {
		snap, err := r.Read(t.Context(), []string{"u1"}, id)
		if err != nil {
			t.Fatal(err)
		}
		r.finish(t, snap.Spec)
	}
	submit("all have ended", true, true)
	for range 3 {
		r.submit(t)
	}
	now = now.Add(time.Second)
	submit("a second after others were submitted", false, true)
}

// TestConcurrentSubmissionsShareACount submits many jobs of one member at once. The first one counts the active jobs for all.
func TestConcurrentSubmissionsShareACount(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.submitter(t, "MAX_ACTIVE_JOBS_MEMBER=1000")
	requests := brokertest.Subscribe(t, r.broker.Conn(), "$JS.API.DIRECT.GET."+broker.StreamJobs)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { accepts(t, s, jobs.Caller{Owner: "u1", Lane: job.LaneMember}, "", 1000) })
	}
	wg.Wait()
	if err := r.broker.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := requests.Pending(); err != nil || n != 1 {
		t.Errorf("%d requests, want 1; %v", n, err)
	}
}

// TestFailedCountEnds submits a job whose caller leaves during the count, while another one is being submitted. The next one counts.
func TestFailedCountEnds(t *testing.T) {
	t.Parallel()
	r := start(t)
	clock := clocktest.New(time.Now())
	s := r.submitterAt(t, clock.Now, "MAX_ACTIVE_JOBS_MEMBER=1000")
	caller := jobs.Caller{Owner: "u1", Lane: job.LaneMember}
	pushed, proceed := make(chan struct{}, 2), make(chan struct{})
	r.SetAfter(func(at jobs.Step) error {
		if at == jobs.StepPush {
			pushed <- struct{}{}
			<-proceed
		}
		return nil
	})
	var wg sync.WaitGroup
	submit := func() { wg.Go(func() { accepts(t, s, caller, "", 1000) }) }
	submit()
	<-pushed
	clock.Advance(time.Second) // Its count is too old.
	order, err := s.NewOrder(job.KindImage, &job.ImageInput{Prompt: "a lighthouse"}, nil, catalogue.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.Submit(ctx, caller, order); err == nil {
		t.Error("a count succeeds without a caller")
	}
	submit()
	<-pushed
	close(proceed)
	wg.Wait()
}

// TestCountsAreForgotten submits jobs of many members. Their counts are kept no longer than they are used.
func TestCountsAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := start(t).submitterAt(t, func() time.Time { return now })
	const members = 5
	for second := range 3 {
		for i := range members {
			accepts(t, s, jobs.Caller{Owner: fmt.Sprintf("u%d-%d", second, i), Lane: job.LaneMember}, "", 20)
		}
		if n := s.Counts(); n > 2*members {
			t.Errorf("%d counts are kept, want at most %d", n, 2*members)
		}
		now = now.Add(time.Second)
	}
}
