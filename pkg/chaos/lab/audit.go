//go:build unix

package lab

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// audit watches from the side: how often each job's end is stored, and how many upstream calls it takes.
type audit struct {
	plant *plant
	wg    sync.WaitGroup
	stop  context.CancelFunc

	mu sync.Mutex
	// stored is the sequence under which each job's end is stored.
	stored map[string]string
	calls  map[string]int
	seen   uint64
}

// harvestEvery is short against the 10,000 calls that the simulator remembers.
const harvestEvery = 2 * time.Second

// startAudit begins to watch. Stored writes that happen while it is not connected escape it; those it sees it judges.
func startAudit(ctx context.Context, p *plant) (*audit, error) {
	sub, err := p.broker.Conn().SubscribeSync(broker.JobEventsSubject("*", "*"))
	if err != nil {
		return nil, fmt.Errorf("watch stored writes: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("watch stored writes: %w", err)
	}
	a := &audit{plant: p, stored: make(map[string]string), calls: make(map[string]int)}
	ctx, a.stop = context.WithCancel(ctx)
	a.wg.Go(func() {
		for {
			m, err := sub.NextMsgWithContext(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				lifecycle.Sleep(ctx, again)
				continue
			}
			event, _, id, ok := broker.ParseEventSubject(m.Subject)
			if ok && event == broker.EventResult && len(m.Data) > 0 {
				a.record(id, m.Header.Get("Nats-Sequence"), m.Header.Get("Nats-Last-Sequence"))
			}
		}
	})
	a.wg.Go(func() {
		for lifecycle.Sleep(ctx, harvestEvery) {
			a.harvest()
		}
	})
	return a, nil
}

// record enters a stored end: its sequence, and that of an end before it, which there must not be. A cluster whose leader
// changes may tell of the same one twice.
func (a *audit) record(id, sequence, before string) {
	a.mu.Lock()
	first, again := a.stored[id]
	a.stored[id] = sequence
	a.mu.Unlock()
	if (again && first != sequence) || before != "0" {
		a.plant.book.Fault("two ends of %s are stored: sequences %s and %s, and %s before", id, first, sequence, before)
	}
}

var mark = regexp.MustCompile(`(?:` + jobMark + `|probe)\d{6}`)

// harvest counts the upstream calls since the last time, by the job's name in their text.
func (a *audit) harvest() {
	calls := a.plant.simulator.Calls("")
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, call := range calls {
		if call.Sequence <= a.seen || call.Kind == simulator.KindModels || call.Kind == simulator.KindAccount {
			continue
		}
		if name := mark.FindString(call.Prompt); name != "" {
			a.calls[name]++
		}
	}
	if len(calls) > 0 {
		a.seen = calls[len(calls)-1].Sequence
	}
}

// upstream returns how many calls were made for the jobs that succeeded, and how few would have done.
func (a *audit) upstream(jobs []claims.Job) (made, needed int) {
	a.harvest()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, j := range jobs {
		if j.End != nil && j.End.Status == claims.Succeeded {
			made += a.calls[j.Name]
			needed += j.Least
		}
	}
	return made, needed
}

func (a *audit) end() {
	a.stop()
	a.wg.Wait()
}
