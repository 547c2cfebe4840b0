package quota_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestCluster charges and refunds concurrently through three servers.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	var brokers []*broker.Broker
	var processes []*quota.Quota
	for i := range 3 {
		brokers = append(brokers, c.Open(i))
		processes = append(processes, quota.New(brokers[i], plans(limits(50, 40), limits(0, 0)), clocktest.New(noon()).Now))
	}
	var passed atomic.Int32
	var reservation atomic.Pointer[quota.Reservation]
	var wg sync.WaitGroup
	for n := range 150 {
		wg.Go(func() {
			r, err := processes[n%3].Charge(t.Context(), guest("who"), "j", 1)
			if err == nil {
				passed.Add(1)
				reservation.Store(r)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 40 {
		t.Errorf("%d passed, want 40", passed.Load())
	}
	expectUsed(t, processes[0], "who", 40, 40)
	record := failed("j", job.CodeInternal, reservation.Load().Charge)
	for n := range 12 {
		wg.Go(func() {
			// Concurrent refunds may fail with a conflict and are then retried.
			for try := 0; quota.Refund(t.Context(), brokers[n%3], record) != nil; try++ {
				if try == 100 {
					t.Error("never refunded")
					return
				}
			}
		})
	}
	wg.Wait()
	expectUsed(t, processes[1], "who", 40, 39)
}
