package processor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

const (
	// outageAfter is how many calls in a row must not reach an upstream before it counts as down.
	outageAfter = 10
	// failingAfter is how many calls in a row must be answered with an error before the operator is told.
	failingAfter = 20
	// probeHold is how long the right to let a job through lasts without a sign of life from its worker.
	probeHold = broker.DefaultAckWait + 5*time.Second
	// heldWait is after how long a job that must not be begun may be delivered again.
	heldWait = time.Second
	// reportTimeout bounds the writing of a circuit; the job that brought the news must not wait for long.
	reportTimeout = 5 * time.Second
)

// breaker keeps this worker from calling an upstream that is closed to everybody, and closes and opens upstreams by what
// the worker sees of them. What is closed is known to all workers and survives them all.
type breaker struct {
	cfg     Config
	worker  string
	control *queue.Control
	metrics *telemetry.Metrics
	log     *slog.Logger
	now     func() time.Time
	// tell asks for an announcement of the worker ahead of time.
	tell func()

	mu sync.Mutex
	// seeking are the upstreams for which one of this worker's slots looks for a job to let through.
	seeking map[string]bool
	// asked is until when an upstream wants to be left alone, as this worker was told. It holds from the very moment, before
	// all others know.
	asked map[string]time.Time
	// failures counts the calls in a row that did not reach an upstream.
	failures map[string]int
	// faults counts the calls in a row that were answered with an error.
	faults map[string]int
}

// pass is the right to begin jobs that need an upstream.
type pass struct {
	upstream string
	// probe says that the upstream is half open and this is the one job that is let through.
	probe bool
}

// enter reports whether a slot may take a job of a kind. A pass for an upstream whose pause is over is given to one slot
// at a time and must be given back by leave.
func (b *breaker) enter(kind job.Kind) (pass, bool) {
	view, now := b.control.View(), b.now()
	name := kind.Upstream()
	if view.Pauses[kind].Holds(now) {
		return pass{}, false
	}
	c := view.Circuit(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case now.Before(b.asked[name]):
		return pass{}, false
	case !c.Open():
		return pass{upstream: name}, true
	case !c.Due(now), b.seeking[name]:
		return pass{}, false
	}
	b.seeking[name] = true
	return pass{upstream: name, probe: true}, true
}

// leave gives a pass back.
func (b *breaker) leave(p pass) {
	if p.probe {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.seeking, p.upstream)
	}
}

// admit decides, with the job in hand, whether it may be begun. Between the pass and the job the upstream may have been
// closed, and of several workers only one lets a job through.
func (b *breaker) admit(ctx context.Context, kind job.Kind, p pass) (admitted pass, ok bool) {
	view, now := b.control.View(), b.now()
	c := view.Circuit(p.upstream)
	switch {
	case view.Pauses[kind].Holds(now), b.told(p.upstream, now):
		return pass{}, false
	case !c.Open():
		return pass{upstream: p.upstream}, true
	case !c.Due(now), !p.probe, !b.probe(ctx, p.upstream):
		return pass{}, false
	}
	return p, true
}

// probe asks for the right to let one job through.
func (b *breaker) probe(ctx context.Context, name string) bool {
	mine, err := b.control.Probe(ctx, name, b.worker, probeHold)
	if err != nil {
		b.log.DebugContext(ctx, "no permit to try the upstream", "upstream", name, "error", err)
	}
	return mine
}

// open reports whether an upstream may be called by anybody.
func (b *breaker) open(name string) bool {
	return !b.told(name, b.now()) && !b.control.View().Circuit(name).Open()
}

// told reports whether this worker was told to leave an upstream alone for longer.
func (b *breaker) told(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.asked[name])
}

// heed takes in for how long an upstream asked to be left alone, and returns until when.
func (b *breaker) heed(name string, pause time.Duration) time.Time {
	until := b.now().Add(pause)
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.asked[name]) {
		b.asked[name] = until
	}
	return until
}

// call reports whether an upstream may be called on the way to something else, and whether as the one call that is let
// through.
func (b *breaker) call(ctx context.Context, name string) (p pass, ok bool) {
	c, now := b.control.View().Circuit(name), b.now()
	switch {
	case b.told(name, now):
		return pass{}, false
	case !c.Open():
		return pass{upstream: name}, true
	case !c.Due(now):
		return pass{}, false
	}
	return pass{upstream: name, probe: true}, b.probe(ctx, name)
}

// soonest returns how long it is until the pause of an upstream is over, at the most the given time.
func (b *breaker) soonest(most time.Duration) time.Duration {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, until := range b.asked {
		if left := until.Sub(now); left > 0 {
			most = min(most, left)
		}
	}
	for _, c := range b.control.View().Circuits {
		if c.Open() {
			if left := c.Until.Sub(now); left > 0 {
				most = min(most, left)
			}
		}
	}
	return most
}

// keep says that the job that was let through is still being worked.
func (b *breaker) keep(ctx context.Context, p pass) {
	if !p.probe {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := b.control.Renew(ctx, p.upstream, b.worker, probeHold); err != nil {
		b.log.DebugContext(ctx, "cannot renew the permit to try the upstream", "upstream", p.upstream, "error", err)
	}
}

// report takes in how a call ended: fault is nil when the upstream served it, and said is false when the outcome says
// nothing about the upstream.
func (b *breaker) report(ctx context.Context, p pass, f *fault.Error, said bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reportTimeout)
	defer cancel()
	if err := b.reported(ctx, p, f, said); err != nil {
		b.log.WarnContext(ctx, "cannot store the circuit breaker of the upstream", "upstream", p.upstream, "error", err)
	}
}

func (b *breaker) reported(ctx context.Context, p pass, f *fault.Error, said bool) error {
	if !said {
		if p.probe {
			return b.control.Yield(ctx, p.upstream, b.worker)
		}
		return nil
	}
	trip := queue.Trip{Upstream: p.upstream}
	if p.probe {
		trip.Probe = b.worker
	}
	switch {
	case f == nil, f.Class == fault.Permanent, f.Class == fault.Moderated:
		return b.serves(ctx, p)
	case f.Class == fault.Throttled && f.Status == 0:
		// Our own rule of one call at a time; its jobs come back by themselves.
		return b.serves(ctx, p)
	case f.Class == fault.Throttled, f.Class == fault.Misconfigured:
		trip.Code, trip.Status = f.Code, f.Status
	case !b.down(p, f):
		b.count(ctx, p.upstream, f)
		if p.probe {
			return b.reopen(ctx, p)
		}
		return nil
	default:
		trip.Code, trip.Status = job.CodeUnavailable, f.Status
	}
	if trip.Asked = f.RetryAfter; trip.Asked > 0 {
		until := b.heed(p.upstream, f.RetryAfter)
		if c := b.control.View().Circuit(p.upstream); !p.probe && c.State == queue.CircuitOpen && c.Code == trip.Code && c.Until.After(until) {
			return nil
		}
	}
	trip.Pause = func(trips int) time.Duration { return b.cfg.closedFor(trip.Code, trips, f.RetryAfter) }
	before, after, err := b.control.Trip(ctx, trip)
	if err != nil {
		return err
	}
	if after.Trips != before.Trips {
		b.metrics.UpstreamTrips.WithLabelValues(p.upstream, after.Code).Inc()
	}
	if after.Code != before.Code || (before.Retrial && !after.Retrial) {
		b.announce(ctx, after, f)
	}
	return nil
}

// announce tells the operator of an upstream that was closed, once until it serves again or somebody has mended something.
func (b *breaker) announce(ctx context.Context, c queue.Circuit, f *fault.Error) {
	attributes := []any{
		"upstream", c.Upstream, "code", c.Code, "status", c.Status, "until", c.Until.Time, "error", f, "detail", f.Detail,
	}
	if c.Code == job.CodeMisconfigured {
		b.log.ErrorContext(ctx, "circuit breaker open: the upstream refuses the key or the balance; jobs that need it wait until an operator acts", attributes...)
		return
	}
	level := slog.LevelError
	if c.Code == job.CodeThrottled {
		// It serves, and asks for fewer requests.
		level = slog.LevelWarn
	}
	b.log.Log(ctx, level, "circuit breaker open: jobs that need the upstream wait", attributes...)
}

// count takes in a call that was answered with an error. An upstream that answers nothing else is not closed, since the
// errors may be about the requests, but its operator is told.
func (b *breaker) count(ctx context.Context, name string, f *fault.Error) {
	b.mu.Lock()
	b.faults[name]++
	reached := b.faults[name] == failingAfter
	b.mu.Unlock()
	if reached {
		b.log.ErrorContext(ctx, "the upstream returns only errors; jobs that need it are retried one by one",
			"upstream", name, "code", f.Code, "status", f.Status, "error", f, "detail", f.Detail)
		b.tell()
	}
}

// failing returns the upstreams that have answered with errors alone for a while.
func (b *breaker) failing() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name, n := range b.faults {
		if n >= failingAfter {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// serves takes in that the upstream has served a call.
func (b *breaker) serves(ctx context.Context, p pass) error {
	b.mu.Lock()
	failed := b.faults[p.upstream] >= failingAfter
	delete(b.failures, p.upstream)
	delete(b.faults, p.upstream)
	b.mu.Unlock()
	if failed {
		b.log.InfoContext(ctx, "the upstream works without errors again", "upstream", p.upstream)
		b.tell()
	}
	if !p.probe {
		return nil
	}
	return b.reopen(ctx, p)
}

// reopen lets everybody call an upstream again after the job that was let through.
func (b *breaker) reopen(ctx context.Context, p pass) error {
	before := b.control.View().Circuit(p.upstream)
	changed, err := b.control.Close(ctx, p.upstream, b.worker)
	if changed {
		b.log.InfoContext(ctx, "circuit breaker closed: the upstream works again", "upstream", p.upstream, "open_since", before.Since.Time, "code", before.Code)
	}
	return err
}

// down takes in a failed call and reports whether the upstream counts as down: too many calls in a row did not reach it,
// or the one that was let through did not, or waited for an answer in vain. Errors that it answers itself may be about
// single requests, and each job's own backoff sees to those; one that lets a job through to answer so is neither throttled
// nor down any more, but may still refuse this installation.
func (b *breaker) down(p pass, f *fault.Error) bool {
	switch {
	case p.probe && (unreachable(f) || silent(f)):
		return true
	case !unreachable(f):
		return p.probe && b.control.View().Circuit(p.upstream).Code == job.CodeMisconfigured
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures[p.upstream]++
	return b.failures[p.upstream] >= outageAfter
}

// unreachable reports whether a fault means that the upstream did not get the request: no answer came, or an edge says
// that what lies behind it is gone.
func unreachable(f *fault.Error) bool {
	switch f.Status {
	case 0:
		return f.Code == job.CodeUnavailable
	case 521, 522, 523, 530:
		return true
	}
	return false
}

// silent reports whether a call got no answer within its time. It may have been too long a job for that, so it closes
// nothing; but neither does it show that an upstream serves.
func silent(f *fault.Error) bool {
	return f.Status == 0 && f.Code == job.CodeTimeout
}

// start lets one job through at once to every upstream that refused this installation: the worker may have been started
// with other settings.
func (b *breaker) start(ctx context.Context) error {
	var errs []error
	for _, name := range job.Upstreams() {
		errs = append(errs, b.control.Reconsider(ctx, name, job.CodeMisconfigured))
	}
	return errors.Join(errs...)
}
