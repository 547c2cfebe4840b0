package processor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// After a crash in any step of the settlement, a failed job is refunded to its owner and its IP address exactly once.
func TestRefundAfterCrashInEachStep(t *testing.T) {
	t.Parallel()
	for _, step := range []processor.Step{processor.StepMedia, processor.StepRecord, processor.StepFollowUp, processor.StepAck} {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, withShortWait)
			today := time.Now()
			q := quota.New(r.Broker, quota.Plans{Media: quota.Plan{
				Member: quota.Limits{PerMinute: 9, PerDay: 9}, AddressPerDay: 20,
			}}, func() time.Time { return today })
			key := quota.Key{Group: quota.GroupMedia, Lane: job.LaneMember, Owner: "who", Address: "address"}
			used := func() string {
				list, err := q.Usage(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprint(list[0].Used, list[1].Used, list[2].Used)
			}
			g := processortest.Always(imageFault(fault.Permanent, job.CodeInternal))
			crashed := make(chan struct{})
			first := r.Start(g, func(c *processor.Config) {
				c.SetAfterStep(func(at processor.Step) error {
					if at != step {
						return nil
					}
					close(crashed)
					return errCrash
				})
			})
			s := r.Submit(job.KindImage, processortest.Images(4, 1), func(s *job.Spec) {
				if _, err := q.Charge(t.Context(), key, "other", 1); err != nil {
					t.Fatal(err)
				}
				bill, err := q.Charge(t.Context(), key, s.ID, 4)
				if err != nil {
					t.Fatal(err)
				}
				s.Charge = bill.Charge
			})
			<-crashed
			first.Shutdown()
			r.Start(g)
			record := r.WaitRecord(s)
			r.Eventually("the job leaves the queue", func() bool { return !r.Queued(s) })
			if record.Status != job.StatusFailed || record.Spec.Charge == nil || record.Spec.Charge.Address != "address" {
				t.Fatalf("record is %+v", record)
			}
			want := "5 1 1"
			if record.GivesBack() == 0 {
				want = "5 5 5" // Midnight has passed.
			}
			if got := used(); got != want {
				t.Errorf("minute, day and address are %s, want %s", got, want)
			}
			// A second settlement of the record refunds nothing.
			if err := r.Jobs.Finish(t.Context(), jobs.Settlement{Record: record}); err != nil {
				t.Error(err)
			}
			if got := used(); got != want {
				t.Errorf("later they are %s, want %s", got, want)
			}
		})
	}
}
