package processor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// naks returns the delays with which jobs were returned to the queue.
func naks(t *testing.T, s *spy) []time.Duration {
	t.Helper()
	var delays []time.Duration
	for _, m := range s.seen() {
		body, ok := strings.CutPrefix(string(m.Data), "-NAK")
		if !ok {
			continue
		}
		var nak struct{ Delay time.Duration }
		if body = strings.TrimSpace(body); body != "" {
			if err := json.Unmarshal([]byte(body), &nak); err != nil {
				t.Fatal(err)
			}
		}
		delays = append(delays, nak.Delay)
	}
	return delays
}

// A retry is a redelivery after a growing delay, and the progress has its time.
func TestRetriesUntilTheLastAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	events := r.spy("events.progress.>")
	g := processortest.Always(retryable())
	r.Start(g, func(c *processor.Config) { c.RetryInitialDelay, c.RetryMaxDelay = 60*time.Millisecond, time.Minute })
	s := r.Submit(job.KindAudio, processortest.MaxAttempts(4))
	record := r.WaitSettled(s)
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeUnavailable || record.Error.UpstreamStatus != 500 ||
		record.Attempt != 4 || record.Counts != (job.Counts{Failures: 4}) {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
	if d := r.DeadLetter(s); d == nil || d.Detail != "upstream message" || d.Counts != record.Counts || d.Attempt != 4 || d.Spec.ID != s.ID {
		t.Errorf("dead letter is %+v", d)
	}
	delays := naks(t, acks)
	if len(delays) != 3 {
		t.Fatalf("returned with the delays %v", delays)
	}
	for n, d := range delays {
		// Doubled each time, with a jitter of 0.3.
		if middle := 60 * time.Millisecond << n; d < middle*7/10 || d > middle*13/10+2*time.Millisecond {
			t.Errorf("delay %d is %s", n, d)
		}
	}
	calls := g.WaitCalls(t, 4)
	for _, m := range events.seen() {
		p, err := job.DecodeProgress(m.Data)
		if err != nil || p.Status != job.StatusRetrying {
			continue
		}
		if p.Attempt != p.Failures || p.NextAttemptAt == nil || p.LastError == nil || p.LastError.Code != job.CodeUnavailable || p.WaitingFor != "" {
			t.Errorf("progress is %+v", p)
		}
		if next := calls[p.Failures]; next.At.Before(p.NextAttemptAt.Time) {
			t.Errorf("attempt %d began %s too early", p.Failures+1, p.NextAttemptAt.Sub(next.At))
		}
	}
	for n, c := range calls {
		if c.Task.Last != (n == 3) {
			t.Errorf("attempt %d: Last is %v", n+1, c.Task.Last)
		}
	}
}

func TestJobWithOneAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := after(retryable())
	r.Start(g)
	s := r.Submit(job.KindPrompt, processortest.MaxAttempts(1))
	if record := r.WaitSettled(s); record.Status != job.StatusFailed || g.Count(s.ID) != 1 || r.DeadLetter(s) == nil {
		t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
	}
}

func TestRecoversAfterErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := after(retryable(), throttled(0), retryable())
	r.Start(g)
	s := r.Submit(job.KindPrompt, processortest.MaxAttempts(3))
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Attempt != 3 || record.Counts != (job.Counts{Failures: 2, Throttles: 1}) {
		t.Errorf("record is %+v", record)
	}
	if r.DeadLetter(s) != nil {
		t.Error("a dead letter for a job that recovered")
	}
}

// A throttled job never retries before the Retry-After, and throttling never counts as a failure.
func TestThrottledJobWaitsForRetryAfter(t *testing.T) {
	t.Parallel()
	const retryAfter = 700 * time.Millisecond
	r := newRig(t)
	g := after(throttled(retryAfter), throttled(retryAfter))
	w := r.Start(g)
	s := r.Submit(job.KindPrompt, processortest.MaxAttempts(1))
	p := r.WaitProgress(s, "the job waits", func(p *job.Progress) bool { return p.Status == job.StatusRetrying })
	if p.WaitingFor != job.UpstreamImage || p.LastError.Code != job.CodeThrottled || p.Failures != 0 || p.Throttles != 1 {
		t.Errorf("progress is %+v", p)
	}
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Throttles: 2}) || record.Attempt != 1 {
		t.Errorf("record is %+v", record)
	}
	calls := g.WaitCalls(t, 3)
	for n := range 2 {
		if waited := calls[n+1].At.Sub(calls[n].At); waited < retryAfter {
			t.Errorf("waited %s with a Retry-After of %s", waited, retryAfter)
		}
	}
	if counter(t, w.Metrics.Attempts.WithLabelValues("prompt", "throttled")) != 2 {
		t.Error("the attempts are not counted with the reason throttled")
	}
	n, sum := measured(t, w.Metrics.UpstreamRetryAfter.WithLabelValues(job.UpstreamImage))
	if n != 2 || sum < 2*retryAfter.Seconds()-0.01 || sum > 2*retryAfter.Seconds()+0.01 {
		t.Errorf("the metric has %d values of %g seconds in total", n, sum)
	}
}

func TestErrorsThatFailAJobWithoutRetry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for code, class := range map[string]fault.Class{job.CodeRejected: fault.Permanent, job.CodeModerated: fault.Moderated} {
		t.Run(code, func(t *testing.T) {
			r := onBroker(t, r.Broker)
			g := processortest.Always(imageFault(class, code))
			w := r.Start(g)
			s := r.Submit(job.KindTranslation)
			record := r.WaitSettled(s)
			if record.Status != job.StatusFailed || record.Error.Code != code || g.Count(s.ID) != 1 || record.Failures != 1 {
				t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
			}
			if d := r.DeadLetter(s); d == nil || d.Detail == "" {
				t.Errorf("dead letter is %+v", d)
			}
			w.Shutdown()
		})
	}
}

// Jobs wait for wrong settings to be fixed, without counting a failure.
func TestMisconfiguredUpstreamDoesNotCountAsFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	broken := imageFault(fault.Misconfigured, job.CodeMisconfigured)
	g := after(broken, broken, broken, broken)
	r.Start(g)
	s := r.Submit(job.KindPrompt, processortest.MaxAttempts(2))
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Failures != 0 || record.Throttles != 4 {
		t.Errorf("record is %+v", record)
	}
}

func TestWaitBeyondTheDeadlineEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fault.Error{"backoff": retryable(), "Retry-After": throttled(time.Hour)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := processortest.Always(f)
			r.Start(g, func(c *processor.Config) { c.RetryInitialDelay, c.RetryMaxDelay = time.Hour, time.Hour })
			s := r.Submit(job.KindPrompt, processortest.Deadline(5*time.Second))
			p := r.WaitProgress(s, "the job waits", func(p *job.Progress) bool { return p.Status == job.StatusRetrying })
			if !p.NextAttemptAt.Equal(s.Deadline.Time) {
				t.Errorf("next attempt at %s, deadline %s", p.NextAttemptAt, s.Deadline)
			}
			record := r.WaitSettled(s)
			if record.Status != job.StatusFailed || record.Error.Code != job.CodeDeadline || g.Count(s.ID) != 1 {
				t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
			}
			if record.Error.Cause != f.Code || record.Error.UpstreamStatus != f.Status || r.DeadLetter(s).Error.Cause != f.Code {
				t.Errorf("error is %+v, want the cause %s", record.Error, f.Code)
			}
			if record.FinishedAt.Before(s.Deadline.Time) {
				t.Error("ended before its deadline")
			}
			if record.Counts != p.Counts || record.Attempt != 1 || r.DeadLetter(s) == nil {
				t.Errorf("record is %+v", record)
			}
		})
	}
}

func TestDeadlineDuringAnAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := hangs()
	r.Start(g)
	// Long enough for a busy machine to begin the attempt.
	s := r.Submit(job.KindPrompt, processortest.Deadline(5*time.Second))
	record := r.WaitSettled(s)
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeDeadline || record.Counts != (job.Counts{}) || g.Count(s.ID) != 1 ||
		record.Error.Cause != "" {
		t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
	}
	if d := r.DeadLetter(s); d == nil || d.Error.Code != job.CodeDeadline {
		t.Errorf("dead letter is %+v", d)
	}
}

// The error before the last attempt is the cause of a deadline that passes during it.
func TestDeadlineDuringALaterAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Start(processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 {
			return nil, throttled(time.Millisecond)
		}
		<-c.Ctx.Done()
		return nil, c.Ctx.Err()
	}))
	// Long enough for a busy machine to begin the second attempt.
	s := r.Submit(job.KindPrompt, processortest.Deadline(10*time.Second))
	record := r.WaitSettled(s)
	if e := record.Error; e == nil || e.Code != job.CodeDeadline || e.Cause != job.CodeThrottled || e.UpstreamStatus != throttled(0).Status {
		t.Errorf("error is %+v", e)
	}
}

func TestDeadlineBeforeTheFirstAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	s := r.Submit(job.KindPrompt, processortest.Deadline(-time.Second))
	r.Start(g)
	record := r.WaitSettled(s)
	if record.Error == nil || record.Error.Code != job.CodeDeadline || record.Attempt != 0 || record.StartedAt != nil || g.Count(s.ID) != 0 {
		t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
	}
}

// A call without a response fails one attempt, after the time-out of the job's kind.
func TestAttemptTimesOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 {
			<-c.Ctx.Done()
			return nil, c.Ctx.Err()
		}
		return processortest.Succeed(c)
	})
	events := r.spy("events.progress.>")
	r.Start(g, func(c *processor.Config) {
		c.ImageTimeout, c.AudioTimeout, c.TextTimeout = 200*time.Millisecond, 201*time.Millisecond, 202*time.Millisecond
	})
	for _, kind := range job.Kinds() {
		s := r.Submit(kind)
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Failures != 1 || record.Attempt != 2 {
			t.Errorf("%s: record is %+v", kind, record)
		}
		seen := false
		for _, m := range events.seen() {
			p, err := job.DecodeProgress(m.Data)
			seen = seen || err == nil && p.ID == s.ID && p.Status == job.StatusRetrying && p.LastError.Code == job.CodeTimeout
		}
		if !seen {
			t.Errorf("%s: no progress has the code %s", kind, job.CodeTimeout)
		}
	}
}
