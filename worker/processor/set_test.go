package processor_test

import (
	"errors"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// set returns a generator of sets of images; fail returns the error of an image in an attempt, or nil.
func set(fail func(index, attempt int) *fault.Error) *processortest.Generator {
	return processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		in := c.Task.Spec.Input.(*job.ImageInput)
		faults := make(map[int]*fault.Error)
		for i := range in.Count() {
			if c.Task.Stored(i) {
				continue
			}
			if f := fail(i, c.N); f != nil {
				faults[i] = f
				continue
			}
			if err := c.Task.Store(c.Ctx, processortest.Image(in, i), in.Count()); err != nil {
				return nil, err
			}
		}
		result := &job.Result{Prompt: &job.PromptPair{Original: "a", Optimized: "b"}}
		c.Task.SetPartial(result)
		if len(faults) > 0 {
			return result, &processor.SetError{Faults: faults}
		}
		return result, nil
	})
}

func indexes(record *job.Record) (stored, missing []int) {
	for _, m := range record.Result.Media {
		stored = append(stored, m.Index)
	}
	for _, m := range record.Result.Missing {
		missing = append(missing, m.Index)
	}
	return stored, missing
}

// One image that fails does not fail the set.
func TestSetWithOneImageMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := set(func(index, _ int) *fault.Error {
		if index == 2 {
			return imageFault(fault.Moderated, job.CodeModerated)
		}
		return nil
	})
	r.Start(g)
	s := r.Submit(job.KindImage, processortest.Images(4, 1))
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || g.Count(s.ID) != 1 || r.DeadLetter(s) != nil {
		t.Fatalf("record is %+v", record)
	}
	stored, missing := indexes(record)
	if len(stored) != 3 || len(missing) != 1 || missing[0] != 2 || record.Result.Missing[0].Error.Code != job.CodeModerated {
		t.Errorf("stored %v, missing %+v", stored, record.Result.Missing)
	}
	if record.Result.Prompt == nil {
		t.Error("the prompts are lost")
	}
}

func TestSetWithoutAnyImage(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := set(func(int, int) *fault.Error { return imageFault(fault.Permanent, job.CodeRejected) })
	r.Start(g)
	s := r.Submit(job.KindImage, processortest.Images(4, 1))
	record := r.WaitSettled(s)
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeRejected || record.Result != nil || r.DeadLetter(s) == nil {
		t.Errorf("record is %+v", record)
	}
}

// A retry generates only missing images, and an image that stays missing keeps its own error.
func TestRetryGeneratesOnlyMissingImages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	calls := make(map[int]int)
	g := set(func(index, attempt int) *fault.Error {
		calls[index]++
		switch {
		case index == 1 && attempt < 3:
			return retryable()
		case index == 3:
			return imageFault(fault.Moderated, job.CodeModerated)
		}
		return nil
	})
	r.Start(g)
	s := r.Submit(job.KindImage, processortest.Images(4, 1))
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || g.Count(s.ID) != 3 {
		t.Fatalf("record is %+v after %d calls", record, g.Count(s.ID))
	}
	stored, missing := indexes(record)
	if len(stored) != 3 || len(missing) != 1 || record.Result.Missing[0].Error.Code != job.CodeModerated {
		t.Errorf("stored %v, missing %+v", stored, record.Result.Missing)
	}
	if calls[0] != 1 || calls[1] != 3 || calls[2] != 1 {
		t.Errorf("calls per image: %v", calls)
	}
}

// After the last attempt the set ends with the images that are stored.
func TestSetAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := set(func(index, _ int) *fault.Error {
		if index == 0 {
			return retryable()
		}
		return nil
	})
	r.Start(g)
	s := r.Submit(job.KindImage, processortest.Images(2, 1), processortest.MaxAttempts(2))
	record := r.WaitSettled(s)
	stored, missing := indexes(record)
	if record.Status != job.StatusSucceeded || len(stored) != 1 || len(missing) != 1 || record.Result.Missing[0].Error.Code != job.CodeUnavailable || record.Failures != 2 {
		t.Errorf("record is %+v, stored %v, missing %+v", record, stored, record.Result.Missing)
	}
}

// The same holds when the deadline passes, in an attempt or between two.
func TestSetWhoseDeadlinePasses(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]func(processortest.Call) error{
		"between attempts": func(processortest.Call) error {
			f := retryable()
			f.RetryAfter = time.Hour
			return f
		},
		"in an attempt": func(c processortest.Call) error {
			<-c.Ctx.Done()
			return errors.New("call canceled")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
				in := c.Task.Spec.Input.(*job.ImageInput)
				if err := c.Task.SetOptimized(c.Ctx, "better", nil); err != nil {
					return nil, err
				}
				c.Task.SetPartial(&job.Result{Prompt: &job.PromptPair{Original: in.Prompt, Optimized: "better"}})
				if err := c.Task.Store(c.Ctx, processortest.Image(in, 1), 2); err != nil {
					return nil, err
				}
				return nil, last(c)
			})
			r.Start(g)
			s := r.Submit(job.KindImage, processortest.Images(2, 1), processortest.Deadline(5*time.Second))
			record := r.WaitSettled(s)
			if record.Status != job.StatusSucceeded || g.Count(s.ID) != 1 {
				t.Fatalf("record is %+v after %d calls", record, g.Count(s.ID))
			}
			stored, missing := indexes(record)
			if len(stored) != 1 || stored[0] != 1 || len(missing) != 1 || record.Result.Missing[0].Error.Code != job.CodeDeadline {
				t.Errorf("stored %v, missing %+v", stored, record.Result.Missing)
			}
			if cause := record.Result.Missing[0].Error.Cause; (cause == job.CodeUnavailable) != (name == "between attempts") {
				t.Errorf("cause of the missing image is %q", cause)
			}
			if p := record.Result.Prompt; p == nil || *p != (job.PromptPair{Original: "a lighthouse", Optimized: "better"}) {
				t.Errorf("prompts are %+v", p)
			}
		})
	}
}

// The longest Retry-After of a set's images applies.
func TestSetWaitsForTheLongestRetryAfter(t *testing.T) {
	t.Parallel()
	const retryAfter = 800 * time.Millisecond
	r := newRig(t)
	g := set(func(index, attempt int) *fault.Error {
		switch {
		case attempt > 1:
			return nil
		case index == 0:
			return retryable()
		case index == 1:
			return throttled(retryAfter)
		}
		return throttled(time.Millisecond)
	})
	r.Start(g)
	s := r.Submit(job.KindImage, processortest.Images(3, 1))
	record := r.WaitSettled(s)
	calls := g.WaitCalls(t, 2)
	if waited := calls[1].At.Sub(calls[0].At); waited < retryAfter {
		t.Errorf("waited %s with a Retry-After of %s", waited, retryAfter)
	}
	if record.Status != job.StatusSucceeded || record.Failures != 1 {
		t.Errorf("record is %+v", record)
	}
}
