//go:build unix

package lab

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// audit observes the store and the simulator: how often a terminal record of each job is stored, and how many upstream
// calls the job takes.
type audit struct {
	cluster *cluster
	wg      sync.WaitGroup
	stop    context.CancelFunc

	mu sync.Mutex
	// stored holds the sequence of each job's terminal record.
	stored map[string]string
	// lost are the jobs whose terminal record a power failure has removed, so that another one is stored.
	lost     map[string]bool
	calls    map[string]int
	lastCall uint64
}

// countEvery is short enough for the 10,000 calls that the simulator keeps.
const countEvery = 2 * time.Second

// startAudit starts the audit. It misses the writes that happen while it is disconnected.
func startAudit(ctx context.Context, p *cluster) (*audit, error) {
	events := make(chan *nats.Msg, 1<<16)
	if _, err := p.broker.Conn().ChanSubscribe(broker.JobEventsSubject("*", "*"), events); err != nil {
		return nil, fmt.Errorf("subscribe to records: %w", err)
	}
	a := &audit{cluster: p, stored: make(map[string]string), lost: make(map[string]bool), calls: make(map[string]int)}
	ctx, a.stop = context.WithCancel(ctx)
	a.wg.Go(func() {
		for {
			var m *nats.Msg
			select {
			case m = <-events:
			case <-ctx.Done():
				return
			}
			event, _, id, ok := broker.ParseEventSubject(m.Subject)
			if ok && event == broker.EventResult && len(m.Data) > 0 {
				a.record(id, m.Header.Get("Nats-Sequence"), m.Header.Get("Nats-Last-Sequence"))
			}
		}
	})
	a.wg.Go(func() {
		for lifecycle.Sleep(ctx, countEvery) {
			a.countCalls()
		}
	})
	return a, nil
}

// record checks a stored terminal record: its sequence, and that of the one before, which must not exist. A change of the
// leader may republish the same record.
func (a *audit) record(id, sequence, before string) {
	a.mu.Lock()
	first, again := a.stored[id]
	a.stored[id] = sequence
	replaced := again && a.lost[id]
	if replaced {
		delete(a.lost, id)
	}
	a.mu.Unlock()
	if (again && !replaced && first != sequence) || before != "0" {
		a.cluster.model.Violation("two terminal records of %s: sequences %s and %s, previous %s", id, first, sequence, before)
	}
}

// loseRecords records that a power failure has removed the terminal records of jobs. Their events may still be on their way.
func (a *audit) loseRecords(ids []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		a.lost[id] = true
	}
}

var jobName = regexp.MustCompile(`(?:` + namePrefix + `|probe)\d{6}`)

// countCalls counts the new upstream calls by the job name in their text.
func (a *audit) countCalls() {
	calls := a.cluster.simulator.Calls("")
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, call := range calls {
		if call.Sequence <= a.lastCall || call.Kind == simulator.KindModels || call.Kind == simulator.KindAccount {
			continue
		}
		if name := jobName.FindString(call.Prompt); name != "" {
			a.calls[name]++
		}
	}
	if len(calls) > 0 {
		a.lastCall = calls[len(calls)-1].Sequence
	}
}

// upstream returns how many calls the successful jobs took, and how many they needed.
func (a *audit) upstream(jobs []model.Job) (made, needed int) {
	a.countCalls()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, j := range jobs {
		if j.End != nil && j.End.Status == model.Succeeded {
			made += a.calls[j.Name]
			needed += j.MinCalls
		}
	}
	return made, needed
}

func (a *audit) end() {
	a.stop()
	a.wg.Wait()
}
