package processor_test

import (
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// TestFinishingJobsHoldNoSlot lets the jobs of one slot wait after their ends. Where costs are counted, the next jobs run meanwhile, up
// to a limit. A worker that stops then removes all of them from the queue.
func TestFinishingJobsHoldNoSlot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spending *job.Spending
		want     int
	}{
		"costs are counted": {&job.Spending{}, processor.FinishingPerSlot + 1},
		"nothing to count":  {nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var mu sync.Mutex
			waiting, most := 0, 0
			enter := func(n int) {
				mu.Lock()
				defer mu.Unlock()
				waiting += n
				most = max(most, waiting)
			}
			arrived, proceed := make(chan struct{}, 100), make(chan struct{})
			w := r.Start(processortest.NewGenerator(processortest.Succeed), withOneSlot, func(c *processor.Config) {
				c.SetAfterStep(func(step processor.Step) error {
					if step != processor.StepFollowUp {
						return nil
					}
					enter(1)
					defer enter(-1)
					arrived <- struct{}{}
					<-proceed
					return nil
				})
			})
			var specs []*job.Spec
			for range 3 * tc.want {
				specs = append(specs, r.Submit(job.KindImage, func(s *job.Spec) { s.Spending = tc.spending }))
			}
			for range tc.want {
				<-arrived
			}
			var blocked []*job.Spec
			for _, s := range specs {
				if _, err := r.Store.RecordLeader(t.Context(), s.Owner, s.ID); err == nil {
					blocked = append(blocked, s)
				}
			}
			if len(blocked) != tc.want {
				t.Errorf("%d jobs have ended, want %d", len(blocked), tc.want)
			}
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				w.Shutdown()
			}()
			close(proceed)
			<-stopped
			for _, s := range blocked {
				if r.Queued(s) {
					t.Error("a job that has ended is left in the queue")
				}
			}
			if most != tc.want {
				t.Errorf("%d jobs at once were finishing or running, want %d", most, tc.want)
			}
		})
	}
}
