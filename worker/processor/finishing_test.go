package processor_test

import (
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// TestFinishingJobsHoldNoSlot lets the jobs of one slot wait after their ends. Where costs are counted, the next jobs run meanwhile, up
// to a limit.
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
			r.Start(processortest.NewGenerator(processortest.Succeed), withOneSlot, func(c *processor.Config) {
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
			// No other job is fetched however long they wait.
			for range 100 {
				if inFlight, pulls := r.load(job.KindImage); inFlight > tc.want || pulls > 0 {
					t.Fatalf("%d jobs are fetched, want %d, and %d pulls are open", inFlight, tc.want, pulls)
				}
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
			close(proceed)
			for _, s := range specs {
				r.WaitSettled(s)
			}
			if most != tc.want {
				t.Errorf("%d jobs at once were finishing or running, want %d", most, tc.want)
			}
		})
	}
}

// TestStopWaitsForFinishingJobs stops a worker with jobs that have ended and hold no slot. It removes them from the queue before it ends.
func TestStopWaitsForFinishingJobs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const jobs = processor.FinishingPerSlot - 1
	arrived, proceed := make(chan struct{}, jobs), make(chan struct{})
	w := r.Start(processortest.NewGenerator(processortest.Succeed), withOneSlot, func(c *processor.Config) {
		c.SetAfterStep(func(step processor.Step) error {
			if step == processor.StepFollowUp {
				arrived <- struct{}{}
				<-proceed
			}
			return nil
		})
	})
	var specs []*job.Spec
	for range jobs {
		specs = append(specs, r.Submit(job.KindImage, func(s *job.Spec) { s.Spending = &job.Spending{} }))
	}
	for range jobs {
		<-arrived
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.Shutdown()
	}()
	r.Eventually("nothing is fetched any more", func() bool { _, pulls := r.load(job.KindImage); return pulls == 0 })
	close(proceed)
	<-stopped
	for _, s := range specs {
		if r.Queued(s) {
			t.Error("a job that has ended is left in the queue")
		}
	}
}
