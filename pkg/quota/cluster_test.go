package quota_test

import (
	"strconv"
	"sync"
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
	for i := range 3 {
		brokers = append(brokers, c.Open(i))
	}
	const requests, perDay = 150, 40
	charge := func(perMinute int) (processes []*quota.Quota, passed int, last *quota.Reservation) {
		for _, b := range brokers {
			processes = append(processes, quota.New(b, plans(limits(perMinute, perDay), limits(0, 0)), clocktest.New(noon()).Now))
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for n := range requests {
			wg.Go(func() {
				r, err := processes[n%3].Charge(t.Context(), guest(name(perMinute)), "j", 1)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					passed, last = passed+1, r
				}
			})
		}
		wg.Wait()
		return processes, passed, last
	}

	// The counters of the minute and of the day see the charges in different orders: of the first 40 of the day some may be beyond the
	// 50 of the minute, and are then refused.
	processes, passed, _ := charge(50)
	if passed > perDay || passed == 0 {
		t.Errorf("%d passed, want up to %d", passed, perDay)
	}
	expectUsed(t, processes[0], name(50), passed, passed)

	processes, passed, last := charge(requests)
	if passed != perDay {
		t.Errorf("%d passed, want %d", passed, perDay)
	}
	expectUsed(t, processes[0], name(requests), perDay, perDay)
	record := failed("j", job.CodeInternal, last.Charge)
	var wg sync.WaitGroup
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
	expectUsed(t, processes[1], name(requests), perDay, perDay-1)
}

// name names who is charged under a limit per minute.
func name(perMinute int) string { return "who-" + strconv.Itoa(perMinute) }
