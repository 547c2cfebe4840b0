package processor_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

var errCrash = errors.New("the test stops the worker here")

// After each step exactly the writes up to it are done; the message is removed last.
func TestSettlementOrder(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]*processortest.Generator{
		"succeeded": processortest.NewGenerator(processortest.Succeed),
		"failed":    processortest.Always(imageFault(fault.Permanent, job.CodeRejected)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := processortest.NewSpec(t, job.KindAudio)
			type state struct{ media, record, dead, queued bool }
			states := make(map[processor.Step]state)
			done := make(chan struct{})
			r.Start(g, func(c *processor.Config) {
				c.SetAfterStep(func(step processor.Step) error {
					states[step] = state{
						media:  r.LastMessage(broker.ResultsStream, broker.FirstChunksSubject(s.Owner, s.ID, 0)) != nil,
						record: r.LastMessage(broker.ResultsStream, broker.RecordSubject(s.Owner, s.ID)) != nil,
						dead:   r.DeadLetter(s) != nil,
						queued: r.Queued(s),
					}
					if step == processor.StepAck {
						close(done)
					}
					return nil
				})
			})
			if _, _, err := r.Jobs.Enqueue(t.Context(), s, false); err != nil {
				t.Fatal(err)
			}
			<-done
			made, failed := name == "succeeded", name == "failed"
			want := map[processor.Step]state{
				processor.StepMedia:    {made, false, false, true},
				processor.StepRecord:   {made, true, false, true},
				processor.StepFollowUp: {made, true, failed, true},
				processor.StepAck:      {made, true, failed, false},
			}
			if !reflect.DeepEqual(states, want) {
				t.Errorf("got  %+v\nwant %+v", states, want)
			}
			r.WaitSettled(s)
		})
	}
}

// After a crash in any step of the settlement, the next worker ends the job exactly once.
func TestCrashAfterEachSettlementStep(t *testing.T) {
	t.Parallel()
	steps := []processor.Step{processor.StepMedia, processor.StepRecord, processor.StepFollowUp, processor.StepAck}
	for _, step := range steps {
		for name, status := range map[string]job.Status{"succeed": job.StatusSucceeded, "fail": job.StatusFailed} {
			t.Run(fmt.Sprintf("%s after %s", name, step), func(t *testing.T) {
				t.Parallel()
				crashAfter(t, step, status)
			})
		}
	}
}

func crashAfter(t *testing.T, step processor.Step, status job.Status) {
	t.Helper()
	r := newRig(t, withShortWait)
	var made atomic.Int64
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if status == job.StatusFailed {
			return nil, imageFault(fault.Moderated, job.CodeModerated)
		}
		if !c.Task.Stored(0) {
			made.Add(1)
		}
		return processortest.Succeed(c)
	})
	crashed := make(chan struct{})
	first := r.Start(g, func(c *processor.Config) {
		c.SetAfterStep(func(at processor.Step) error {
			if at != step {
				return nil
			}
			close(crashed) // A second close would panic: the first worker gets the job only once.
			return errCrash
		})
	})
	s := r.Submit(job.KindAudio)
	<-crashed
	before := r.LastMessage(broker.ResultsStream, broker.RecordSubject(s.Owner, s.ID))
	if (before != nil) != (step != processor.StepMedia) {
		t.Fatalf("record stored after %s: %v", step, before != nil)
	}
	first.Shutdown()
	r.Start(g)
	record := r.WaitRecord(s)
	r.Eventually("the job leaves the queue", func() bool { return !r.Queued(s) })

	if record.Status != status {
		t.Errorf("ended as %s", record.Status)
	}
	calls, crashes := 1, 0
	if step == processor.StepMedia {
		calls, crashes = 2, 1
	}
	if g.Count(s.ID) != calls || record.Crashes != crashes {
		t.Errorf("%d calls and %d crashes, want %d and %d", g.Count(s.ID), record.Crashes, calls, crashes)
	}
	if before != nil {
		if now := r.LastMessage(broker.ResultsStream, broker.RecordSubject(s.Owner, s.ID)); now.Sequence != before.Sequence {
			t.Errorf("the record was written again, at %d instead of %d", now.Sequence, before.Sequence)
		}
	}
	depth, err := r.Store.DeadLetterCount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if status == job.StatusFailed {
		d := r.DeadLetter(s)
		if depth != 1 || d == nil || d.Error.Code != job.CodeModerated || d.Failures != 1 {
			t.Errorf("%d dead letters, this one %+v", depth, d)
		}
		// The second worker does not know the upstream's message, and must not replace a dead letter that has it.
		if known := step != processor.StepRecord; (d.Detail != "") != known {
			t.Errorf("detail of the dead letter is %q", d.Detail)
		}
		return
	}
	if depth != 0 {
		t.Errorf("%d dead letters", depth)
	}
	if made.Load() != 1 || len(record.Result.Media) != 1 || string(r.Media(s, 0)) != "sound" {
		t.Errorf("made %d times, media %+v", made.Load(), record.Result.Media)
	}
}

// The first of two workers that end the same job decides, and the second continues with the first one's record.
func TestFirstRecordWins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := processortest.NewSpec(t, job.KindPrompt)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		first := &job.Record{Status: job.StatusFailed, Spec: s, FinishedAt: s.CreatedAt, Error: job.NewError(job.CodeDeadline, 0)}
		if _, _, err := r.Store.PutRecord(c.Ctx, first); err != nil {
			return nil, err
		}
		return processortest.Succeed(c)
	})
	w := r.Start(g)
	if _, _, err := r.Jobs.Enqueue(t.Context(), s, false); err != nil {
		t.Fatal(err)
	}
	record := r.WaitSettled(s)
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeDeadline {
		t.Errorf("record is %+v", record)
	}
	if d := r.DeadLetter(s); d == nil || d.Error.Code != job.CodeDeadline || d.Detail != "" {
		t.Errorf("dead letter is %+v", d)
	}
	if counter(t, w.Metrics.SettleConflicts.WithLabelValues("prompt")) != 1 || counter(t, w.Metrics.JobsFinished.WithLabelValues("prompt", "succeeded")) != 0 {
		t.Error("the conflict is not counted as one")
	}
}

// Images of a set that were stored before a crash are not generated again.
func TestCrashKeepsStoredImages(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	var made [4]atomic.Int64
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		in := c.Task.Spec.Input.(*job.ImageInput)
		for i := range 4 {
			if c.Task.Stored(i) {
				continue
			}
			made[i].Add(1)
			if err := c.Task.Store(c.Ctx, processortest.Image(in, i), 4); err != nil {
				return nil, err
			}
		}
		return &job.Result{}, nil
	})
	var stored atomic.Int64
	crashed := make(chan struct{})
	first := r.Start(g, func(c *processor.Config) {
		c.SetAfterStep(func(processor.Step) error {
			if stored.Add(1) < 2 {
				return nil
			}
			close(crashed)
			return errCrash
		})
	})
	s := r.Submit(job.KindImage, processortest.Images(4, 1))
	<-crashed
	first.Shutdown()
	r.Start(g)
	if record := r.WaitSettled(s); len(record.Result.Media) != 4 || record.Crashes != 1 {
		t.Errorf("record is %+v", record)
	}
	for i := range made {
		if made[i].Load() != 1 {
			t.Errorf("image %d was made %d times", i, made[i].Load())
		}
	}
}
