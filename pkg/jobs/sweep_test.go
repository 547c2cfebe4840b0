package jobs_test

import (
	"bytes"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// TestSweepEndsJobsWithoutWorkers ends jobs without workers and readers.
func TestSweepEndsJobsWithoutWorkers(t *testing.T) {
	t.Parallel()
	r := start(t)
	ends := r.ends(t)
	notified := r.notices(t)
	ended := &lines{}
	r.Service = jobs.New(r.broker, r.queue, r.store, jobs.WithLog(slog.New(slog.NewTextHandler(ended, nil))))
	specs := map[string]*job.Spec{}
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			for _, in := range []time.Duration{-time.Hour, 0, 300 * time.Millisecond} {
				spec := r.due(t, in, func(s *job.Spec) {
					s.Kind, s.Lane = kind, lane
					var err error
					if s.Input, err = job.NewInput(kind); err != nil {
						t.Fatal(err)
					}
				})
				specs[spec.ID] = spec
			}
		}
	}
	running, retrying := r.due(t, 0), r.due(t, 0)
	r.progress(t, running, job.StatusRunning)
	r.progress(t, retrying, job.StatusRetrying)
	specs[running.ID], specs[retrying.ID] = running, retrying
	later := r.submit(t)

	s := r.sweep(t)
	cause := map[string]string{retrying.ID: job.CodeThrottled}
	for range len(specs) {
		record := ends.next(t)
		spec := specs[record.Spec.ID]
		if spec == nil || record.Status != job.StatusFailed || record.Error.Code != job.CodeDeadline || record.Error.Cause != cause[spec.ID] {
			t.Fatalf("%+v, %+v", record, record.Error)
		}
		if past := record.FinishedAt.Sub(spec.Deadline.Time); past < jobs.Grace {
			t.Errorf("ended %s past its deadline, before its worker had time to", past)
		}
		if (record.Attempt == 1) != (spec == running || spec == retrying) {
			t.Errorf("attempt %d", record.Attempt)
		}
	}
	for range specs {
		select {
		case id := <-notified:
			if specs[id] == nil {
				t.Errorf("the workers were notified of %s", id)
			}
		case <-time.After(hang):
			t.Fatal("the workers were not notified of all jobs")
		}
	}
	for _, spec := range specs {
		r.settled(t, spec)
	}
	eventually(t, "all are counted", func() bool { return s.ended(t) == len(specs) })
	ends.none(t, r.broker)
	if got := r.read(t, later).Status(); got != job.StatusQueued {
		t.Errorf("a job with time left is %s", got)
	}
	if n := ended.count(`msg="job ended"`); n != len(specs) || ended.count("status=failed code=deadline_exceeded attempt=0") != len(specs)-2 {
		t.Errorf("%d log lines for %d jobs", n, len(specs))
	}
}

// TestSweepEndsLaterJobs submits jobs while the sweeper runs.
func TestSweepEndsLaterJobs(t *testing.T) {
	t.Parallel()
	r := start(t)
	ends := r.ends(t)
	s := r.sweep(t)
	eventually(t, "the sweeper leads", func() bool { return s.leads(t) })
	for range 3 {
		spec := r.due(t, 50*time.Millisecond)
		if record := ends.next(t); record.Spec.ID != spec.ID {
			t.Errorf("%s ended", record.Spec.ID)
		}
	}
}

// TestSweepReadsOnlyWhatOthersSubmit submits jobs in this process, whose deadlines it need not read, and in another one.
func TestSweepReadsOnlyWhatOthersSubmit(t *testing.T) {
	t.Parallel()
	r := start(t)
	other := on(t, r.broker)
	ends := r.ends(t)
	r.sweep(t, func(s *jobs.Sweeper) { s.SetInterval(100 * time.Millisecond) })
	scans := brokertest.Subscribe(t, r.broker.Conn(), "$JS.API.DIRECT.GET."+broker.StreamJobs)
	count := func() (n int) {
		t.Helper()
		if err := r.broker.Conn().Publish(scans.Subject, []byte("end")); err != nil {
			t.Fatal(err)
		}
		for {
			m, err := scans.NextMsg(hang)
			if err != nil {
				t.Fatal(err)
			}
			if string(m.Data) == "end" {
				return n
			}
			if bytes.Contains(m.Data, []byte(`"batch"`)) {
				n++
			}
		}
	}
	ended := func(specs ...*job.Spec) {
		t.Helper()
		for range specs {
			record := ends.next(t)
			if !slices.ContainsFunc(specs, func(s *job.Spec) bool { return s.ID == record.Spec.ID }) {
				t.Errorf("%s ended", record.Spec.ID)
			}
		}
	}
	// A few are read: the first one, and any whose submission takes longer than the pause between two sweeps.
	const each = 5
	for range each {
		ended(r.due(t, 0))
	}
	if n := count(); n > each/2 {
		t.Errorf("the queue was read %d times for %d jobs of this process", n, each)
	}
	for range each {
		ended(other.due(t, 0))
	}
	if n := count(); n < each {
		t.Errorf("the queue was read %d times for %d jobs of another process", n, each)
	}
	ended(r.due(t, 0), other.due(t, 0), other.due(t, 0), r.due(t, 0), other.due(t, 0))
}

// TestSweepKeepsUnreadableMessages checks that messages that cannot be decoded are kept and do not delay others.
func TestSweepKeepsUnreadableMessages(t *testing.T) {
	t.Parallel()
	r := start(t)
	ends := r.ends(t)
	bodies := map[string]string{
		"newer":      `{"v":3,"deadline":"2020-01-01T00:00:00Z"}`,
		"garbage":    "no JSON",
		"incomplete": `{"v":1,"deadline":"2020-01-01T00:00:00Z"}`,
	}
	for name, body := range bodies {
		if _, err := r.broker.JetStream().Publish(t.Context(), broker.JobSubject(job.KindImage, job.LaneMember, "u1", name), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	// A newer version runs one of these jobs and has ended the other.
	hand, ended := r.due(t, 0), r.due(t, 0)
	for subject, body := range map[string]string{
		broker.ProgressSubject("u1", hand.ID): `{"v":2}`, broker.RecordSubject("u1", ended.ID): `{"v":2}`,
	} {
		if _, err := r.broker.JetStream().Publish(t.Context(), subject, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ends.sub.NextMsg(hang); err != nil { // The record of the newer version is an event too.
		t.Fatal(err)
	}
	spec := r.due(t, 0)
	s := r.sweep(t)
	if record := ends.next(t); record.Spec.ID != spec.ID {
		t.Errorf("%s ended", record.Spec.ID)
	}
	r.settled(t, spec)
	extent, err := r.queue.Extent(t.Context())
	if err != nil || extent.Jobs != len(bodies)+2 {
		t.Errorf("%d are left of %d, %v", extent.Jobs, len(bodies)+2, err)
	}
	if n := s.log.count("level=WARN"); n != 0 {
		t.Errorf("%d warnings", n)
	}
}

// TestSweepFinishesInterruptedSettlements finds messages of jobs with a record: the process that stored it died after that.
func TestSweepFinishesInterruptedSettlements(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, status := range []job.Status{job.StatusSucceeded, job.StatusFailed, job.StatusCanceled} {
		spec := r.due(t, 0)
		before := r.record(t, spec, status)
		s := r.sweep(t)
		r.settled(t, spec)
		s.halt(t)
		after, err := r.store.RecordLeader(t.Context(), "u1", spec.ID)
		if err != nil || after.Status != status || !after.FinishedAt.Equal(before.FinishedAt.Time) {
			t.Errorf("%s: became %+v, %v", status, after, err)
		}
		if n := s.ended(t); n != 0 {
			t.Errorf("%s: %d counted as ended by the sweeper", status, n)
		}
	}
}

// TestSweepContinuesAfterErrors sweeps a job that can never be ended, among others. The others end, and the error is logged once.
func TestSweepContinuesAfterErrors(t *testing.T) {
	t.Parallel()
	r := start(t)
	poison := r.due(t, -time.Hour)
	tried := r.spy(t, "$JS.API.DIRECT.GET."+broker.ResultsStream, `"`+broker.RecordSubject("u1", poison.ID)+`"`)
	start := time.Now()
	if _, err := r.broker.JetStream().Publish(t.Context(), broker.RecordSubject("u1", poison.ID), []byte("no record")); err != nil {
		t.Fatal(err)
	}
	ends := r.ends(t)
	const others = 50
	for range others {
		r.due(t, 0)
	}
	s := r.sweep(t)
	for range others {
		ends.next(t)
	}
	spec := r.due(t, 0)
	ends.next(t)
	r.settled(t, spec)
	if !r.queued(t, poison) {
		t.Error("the job that cannot be ended has left the queue")
	}
	sweeps := r.spy(t, "$JS.API.STREAM.INFO."+broker.StreamJobs, "")
	eventually(t, "the sweeper continues", func() bool { return sweeps.Load() > 20 })
	// Ending it reads its record twice, before and after the refused write.
	if most := 2 * (1 + int64(time.Since(start)/jobs.RetryAfter)); tried.Load() == 0 || tried.Load() > most {
		t.Errorf("the job that cannot be ended was tried with %d requests, want at most %d", tried.Load(), most)
	}
	if trouble, over := s.log.count("cannot find or end jobs past their deadline"), s.log.count("can be ended again"); trouble != 1 || over != 0 {
		t.Errorf("%d log lines of failure, %d of recovery", trouble, over)
	}
}

// TestSweeperTakesOver runs two sweepers, of which one leads; the other takes over when that stops or loses its connection.
func TestSweeperTakesOver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hold  time.Duration
		leave func(*testing.T, *rig, *sweeper)
	}{
		// The lease is released long before it expires.
		"stopped": {time.Hour, func(t *testing.T, _ *rig, s *sweeper) { t.Helper(); s.halt(t) }},
		// The lease is not released: the process is disconnected from NATS.
		"lost": {time.Second, func(t *testing.T, r *rig, s *sweeper) { t.Helper(); r.broker.Conn().Close(); s.halt(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, withPort)
			ends := r.ends(t)
			hold := func(s *jobs.Sweeper) { s.SetHold(c.hold) }
			one, two := r.second(t), r.second(t)
			first := one.sweep(t, hold)
			eventually(t, "one leads", func() bool { return first.leads(t) })
			second := two.sweep(t, hold)
			spec := r.due(t, 0)
			ends.next(t)
			r.settled(t, spec)
			eventually(t, "the leader has ended it", func() bool { return first.ended(t) == 1 })
			if second.leads(t) {
				t.Error("both lead")
			}
			c.leave(t, one, first)
			if first.leads(t) {
				t.Error("the stopped sweeper still leads")
			}
			r.due(t, 0)
			ends.next(t)
			eventually(t, "the other has ended it", func() bool { return second.ended(t) == 1 })
			if !second.leads(t) {
				t.Error("the other does not lead")
			}
			ends.none(t, r.broker)
		})
	}
}

// TestSweeperLosesItsLease gives the lease to another holder, as after it has expired.
func TestSweeperLosesItsLease(t *testing.T) {
	t.Parallel()
	r := start(t)
	s := r.sweep(t, func(s *jobs.Sweeper) { s.SetHold(300 * time.Millisecond) })
	eventually(t, "it leads", func() bool { return s.leads(t) })
	subject := broker.LeaseSubject("sweeper")
	taken := `{"v":1,"until":"` + job.At(time.Now().Add(time.Second)).String() + `","next":"2020-01-01T00:00:00Z"}`
	if _, err := r.broker.JetStream().Publish(t.Context(), subject, []byte(taken)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it does not lead", func() bool { return !s.leads(t) })
	eventually(t, "it leads again", func() bool { return s.leads(t) })
	ends := r.ends(t)
	r.due(t, 0)
	ends.next(t)
	if n := s.log.count("level=WARN"); n != 0 {
		t.Errorf("%d warnings", n)
	}
}

// TestSweepOfMany ends many jobs that are due at once, each of them once.
func TestSweepOfMany(t *testing.T) {
	t.Parallel()
	r := start(t)
	const jobs = 1500
	deadline := time.Now()
	for range jobs {
		spec := fresh(t, "u1")
		spec.Deadline = job.At(deadline)
		if _, err := r.queue.Push(t.Context(), spec, false); err != nil {
			t.Fatal(err)
		}
	}
	ends := r.ends(t)
	began := time.Now()
	s := r.sweep(t)
	seen := map[string]bool{}
	for range jobs {
		record := ends.next(t)
		if seen[record.Spec.ID] || record.Error.Code != job.CodeDeadline {
			t.Fatalf("%s ended again, or with another error: %+v", record.Spec.ID, record.Error)
		}
		seen[record.Spec.ID] = true
	}
	t.Logf("%d jobs ended within %s", jobs, time.Since(began))
	eventually(t, "the queue is empty", func() bool {
		extent, err := r.queue.Extent(t.Context())
		return err == nil && extent.Jobs == 0
	})
	ends.none(t, r.broker)
	if n, err := r.store.DeadLetterCount(t.Context()); err != nil || n != jobs {
		t.Errorf("%d dead letters, %v", n, err)
	}
	eventually(t, "all are counted", func() bool { return s.ended(t) == jobs })
}

// TestSweepReadsLongQueueInParts has sweeps read a queue of more jobs than one request returns: one request for each sweep when reading
// takes longer than a sweep may take, and all in one sweep otherwise.
func TestSweepReadsLongQueueInParts(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reading time.Duration
		want    []int
	}{"slow": {0, []int{1, 1, 1}}, "quick": {hang, []int{3}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			group, ctx := errgroup.WithContext(t.Context())
			group.SetLimit(16)
			for range 2001 {
				spec := fresh(t, "u1")
				group.Go(func() error {
					_, err := r.queue.Push(ctx, spec, false)
					return err
				})
			}
			if err := group.Wait(); err != nil {
				t.Fatal(err)
			}
			const extent, scan = "$JS.API.STREAM.INFO." + broker.StreamJobs, "$JS.API.DIRECT.GET." + broker.StreamJobs
			requests := make(chan *nats.Msg, 1024)
			for _, subject := range []string{extent, scan} {
				if _, err := r.broker.Conn().ChanSubscribe(subject, requests); err != nil {
					t.Fatal(err)
				}
			}
			last := r.due(t, 0)
			ends := r.ends(t)
			r.sweep(t, func(s *jobs.Sweeper) { s.SetReading(test.reading) })
			if record := ends.next(t); record.Spec.ID != last.ID {
				t.Errorf("%s ended", record.Spec.ID)
			}
			// The requests of each sweep that has sent any.
			var batches []int
			for sum := 0; sum < 3; {
				select {
				case m := <-requests:
					n := len(batches)
					switch {
					case m.Subject == extent && (n == 0 || batches[n-1] > 0):
						batches = append(batches, 0)
					case m.Subject == scan && bytes.Contains(m.Data, []byte(`"batch"`)):
						batches[n-1]++
						sum++
					}
				case <-time.After(hang):
					t.Fatalf("the sweeps have sent only %v requests", batches)
				}
			}
			if !slices.Equal(batches, test.want) {
				t.Errorf("the sweeps have sent %v requests, want %v", batches, test.want)
			}
		})
	}
}

// TestSweepRacesSettlement has workers and the sweeper end the same jobs concurrently.
func TestSweepRacesSettlement(t *testing.T) {
	t.Parallel()
	r := start(t)
	const total = 400
	deadline := time.Now()
	specs := make([]*job.Spec, total)
	for i := range specs {
		specs[i] = r.due(t, 0, func(s *job.Spec) { s.Deadline = job.At(deadline) })
	}
	pull := r.puller(t)
	held := make([]*queue.Delivery, total)
	for i := range held {
		held[i] = pull()
	}
	s := r.sweep(t)
	won := 0
	for _, d := range held {
		_, first, err := r.Settle(t.Context(), jobs.Settlement{Remove: d.Ack, Record: &job.Record{
			Status: job.StatusFailed, Spec: d.Spec, FinishedAt: job.At(time.Now()), Error: job.NewError(job.CodeRejected, 400),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if first {
			won++
		}
		if truth, err := r.store.RecordLeader(t.Context(), "u1", d.ID); err != nil || (truth.Error.Code == job.CodeRejected) != first {
			t.Errorf("worker won: %t, but the job ended with %+v, %v", first, truth.Error, err)
		}
	}
	for _, spec := range specs {
		r.settled(t, spec)
	}
	eventually(t, "all are counted", func() bool { return s.ended(t) == total-won })
	t.Logf("the worker ended %d, the sweeper %d", won, total-won)
	if n, err := r.store.DeadLetterCount(t.Context()); err != nil || n != total {
		t.Errorf("%d dead letters, %v", n, err)
	}
}
