package webhook

import (
	"sync"
	"time"
)

const (
	// hostSlots and ownerSlots bound the attempts to one host and of one owner that a process makes at once, so that a receiver
	// that hangs holds up its owner only.
	hostSlots  = 4
	ownerSlots = 8
	// minTurn and maxTurn bound how long a delivery waits before it is tried again to find a free slot.
	minTurn = 100 * time.Millisecond
	maxTurn = 5 * time.Minute
	// firstAttempt is how long an attempt is assumed to take before one is measured.
	firstAttempt = time.Second
	// maxIdle bounds the hosts and owners that are remembered without an attempt.
	maxIdle = 1000
)

// pacer limits concurrent attempts. A delivery that finds no free slot is told when there will be one: if all came back at once,
// and again, a receiver with thousands of deliveries would keep the process busy with returning them.
type pacer struct {
	now func() time.Time

	mu    sync.Mutex
	byKey map[string]*pace
}

// pace is the state of a host or an owner.
type pace struct {
	slots, running int
	// took is the average duration of attempts, and turn when those that wait so far have all got a slot.
	took time.Duration
	turn time.Time
}

func newPacer(now func() time.Time) *pacer { return &pacer{now: now, byKey: make(map[string]*pace)} }

// begin takes a slot for an attempt, which done releases, or returns how long to wait for one.
func (p *pacer) begin(host, owner string) (done func(), wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.forgetIdle(now)
	paces := []*pace{p.of("host "+host, hostSlots), p.of("owner "+owner, ownerSlots)}
	for _, of := range paces {
		if of.running == of.slots {
			return nil, of.wait(now)
		}
	}
	for _, of := range paces {
		of.running++
	}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, of := range paces {
			of.running--
			of.took = (3*of.took + p.now().Sub(now)) / 4
		}
	}, 0
}

func (p *pacer) of(key string, slots int) *pace {
	of := p.byKey[key]
	if of == nil {
		of = &pace{slots: slots, took: firstAttempt}
		p.byKey[key] = of
	}
	return of
}

// wait reserves the next turn and returns how long it takes until then.
func (of *pace) wait(now time.Time) time.Duration {
	if of.turn.Before(now) {
		of.turn = now
	}
	of.turn = of.turn.Add(of.took / time.Duration(of.slots))
	if last := now.Add(maxTurn); of.turn.After(last) {
		of.turn = last
	}
	return max(minTurn, of.turn.Sub(now))
}

// forgetIdle bounds the memory.
func (p *pacer) forgetIdle(now time.Time) {
	if len(p.byKey) < maxIdle {
		return
	}
	for key, of := range p.byKey {
		if of.running == 0 && !of.turn.After(now) {
			delete(p.byKey, key)
		}
	}
}
