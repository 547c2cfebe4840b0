package feed

import (
	"container/heap"
	"math"
	"sync"
	"time"
)

const (
	// rereadsPerSecond bounds the rereads of this process. With more hubs the interval grows, because lost events are rare: a new
	// connection to NATS, after which they are likely, has every hub reread at once.
	rereadsPerSecond = 200
	// rereadsAtOnce bounds the concurrent rereads.
	rereadsAtOnce = 8
	// unscheduled is the slot of a hub that is not in the schedule.
	unscheduled = -1
)

// rereads is the schedule by which the jobs of all hubs are reread, in case an event was lost.
type rereads struct {
	// wake tells the loop that the schedule has changed.
	wake chan struct{}

	mu    sync.Mutex
	queue hubHeap
}

// hubHeap orders hubs by the time at which they are due.
type hubHeap []*hub

func (q hubHeap) Len() int           { return len(q) }
func (q hubHeap) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q hubHeap) Swap(i, j int)      { q[i], q[j] = q[j], q[i]; q[i].slot, q[j].slot = i, j }

// Push is part of heap.Interface.
func (q *hubHeap) Push(x any) {
	h, _ := x.(*hub)
	h.slot = len(*q)
	*q = append(*q, h)
}

// Pop is part of heap.Interface.
func (q *hubHeap) Pop() any {
	last := len(*q) - 1
	h := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	h.slot = unscheduled
	return h
}

// addIfAbsent schedules the next reread of a hub.
func (s *rereads) addIfAbsent(h *hub) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.slot != unscheduled || h.ctx.Err() != nil {
		return
	}
	h.due = time.Now().Add(h.nextRead(rereadInterval(h.feed.cfg.Reread, len(s.queue))))
	heap.Push(&s.queue, h)
	if h.slot == 0 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// rereadInterval returns the interval at which each of n hubs is reread.
func rereadInterval(least time.Duration, n int) time.Duration {
	return max(least, time.Duration(n)*time.Second/rereadsPerSecond)
}

func (s *rereads) remove(h *hub) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.slot != unscheduled {
		heap.Remove(&s.queue, h.slot)
	}
}

// next removes and returns a hub that is due, or nil and the time until the first one is.
func (s *rereads) next() (*hub, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, math.MaxInt64
	}
	if left := time.Until(s.queue[0].due); left > 0 {
		return nil, left
	}
	h, _ := heap.Pop(&s.queue).(*hub)
	return h, 0
}

// allDue has every hub reread now.
func (s *rereads) allDue() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, h := range s.queue {
		if h.due.After(now) {
			h.due = now
		}
	}
	heap.Init(&s.queue)
}

// lossCheck is how often the feed checks whether events may have been lost.
const lossCheck = time.Second

// rereadLoop rereads the jobs of the hubs that are due, until the feed stops.
func (f *Feed) rereadLoop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	slots, losses := make(chan struct{}, rereadsAtOnce), f.losses()
	for {
		if n := f.losses(); n != losses {
			losses = n
			f.rereads.allDue()
		}
		h, wait := f.rereads.next()
		if h != nil {
			select {
			case slots <- struct{}{}:
			case <-f.ctx.Done():
				return
			}
			f.wg.Go(func() {
				defer func() { <-slots }()
				h.reread()
				f.rereads.addIfAbsent(h)
			})
			continue
		}
		timer.Reset(min(wait, lossCheck))
		select {
		case <-timer.C:
		case <-f.rereads.wake:
		case <-f.ctx.Done():
			return
		}
	}
}
