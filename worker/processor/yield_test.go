package processor_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// A worker fetches no job for a second while the API beside it accepts a burst of them, and then does although the burst has not ended.
func TestWorkerYieldsToBurst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var busy atomic.Bool
	var yieldedAt atomic.Pointer[time.Time]
	r.Busy = func() bool {
		if now := time.Now(); busy.Load() {
			yieldedAt.CompareAndSwap(nil, &now)
		}
		return busy.Load()
	}
	g, turn := onePerTurn()
	r.StartInside(g, withOneSlot)
	first := r.Submit(job.KindImage)
	g.WaitCalls(t, 1)
	second := r.Submit(job.KindImage)
	busy.Store(true)
	turn <- struct{}{}
	r.WaitSettled(first)
	g.WaitCalls(t, 2)
	if waited := time.Since(*yieldedAt.Load()); waited < 900*time.Millisecond {
		t.Errorf("the second job was fetched after %s", waited)
	}
	turn <- struct{}{}
	if record := r.WaitSettled(second); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
}
