package jobs_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Submissions make a service busy if there are more of them at a time than the cores can handle, whatever each is waiting for.
func TestSubmissionsMakeServiceBusy(t *testing.T) {
	t.Parallel()
	few := 12 * runtime.GOMAXPROCS(0)
	for n, busy := range map[int]bool{few: false, few + 1: true} {
		t.Run(fmt.Sprintf("%d submissions", n), func(t *testing.T) {
			t.Parallel()
			r := start(t)
			s := r.submitter(t)
			pushed, proceed := make(chan struct{}, n), make(chan struct{})
			r.SetAfter(func(at jobs.Step) error {
				if at == jobs.StepPush {
					pushed <- struct{}{}
					<-proceed
				}
				return nil
			})
			var submissions sync.WaitGroup
			for i := range n {
				submissions.Go(func() {
					caller := jobs.Caller{Owner: job.OwnerAnonymous, Lane: job.LaneGuest, Address: "192.0.2.1"}
					if _, err := s.Submit(t.Context(), caller, speech(t, s, fmt.Sprintf("Good evening, number %d.", i))); err != nil {
						t.Error(err)
					}
				})
			}
			for range n {
				<-pushed
			}
			if r.WasBusy() != busy {
				t.Errorf("busy %t, want %t", r.WasBusy(), busy)
			}
			close(proceed)
			submissions.Wait()
			if n := r.OpenSubmissions(); n != 0 {
				t.Errorf("%d submissions are still counted", n)
			}
			for r.Busy() {
				if t.Context().Err() != nil {
					t.Fatal("still busy")
				}
			}
		})
	}
}
