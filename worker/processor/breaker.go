package processor

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

const (
	// downAfter is the number of calls in a row that did not reach an upstream after which its circuit breaker opens.
	downAfter = 10
	// avoidAfter is the number of failed calls in a row after which a provider is avoided while another one may serve.
	avoidAfter = 5
	// failingAfter is the number of error responses in a row after which an upstream is logged and announced as failing.
	failingAfter = 20
	// probeLease is how long a worker may probe without renewing its lease.
	probeLease = broker.DefaultAckWait + 5*time.Second
	// requeueDelay is the delay of a job that must not start yet.
	requeueDelay = time.Second
	// reportTimeout bounds a write of a circuit breaker's state, since a job waits for it.
	reportTimeout = 5 * time.Second
)

// breaker is this worker's view of the circuit breakers, whose state all workers share through NATS. It keeps the worker
// from calling an upstream whose circuit breaker is open, and opens and closes circuit breakers by the outcomes of calls.
type breaker struct {
	cfg     Config
	worker  string
	control *control.Controller
	metrics *telemetry.Metrics
	log     *slog.Logger
	now     func() time.Time
	// announceNow registers the worker again at once.
	announceNow func()

	mu sync.Mutex
	// probing has the upstreams for which one of this worker's slots is fetching a job to probe with.
	probing map[string]bool
	// backoffUntil is the end of each upstream's last Retry-After. It applies to this worker at once, before the shared
	// state is updated.
	backoffUntil map[string]time.Time
	// unreachable counts the calls in a row that did not reach an upstream.
	unreachable map[string]int
	// failed counts the error responses in a row.
	failed map[string]int
}

// permit allows one job to call an upstream.
type permit struct {
	upstream string
	// probe is set if the circuit breaker is half-open and this is the one call that tests the upstream.
	probe bool
	// provider is set for one of several providers, whose jobs need not wait for it.
	provider bool
}

// acquire returns a permit for a slot to fetch a job of a kind, and false if none may be fetched. Only one slot gets a
// permit while the circuit breaker is half-open. The caller must release it.
func (b *breaker) acquire(kind job.Kind) (permit, bool) {
	view, now := b.control.View(), b.now()
	name := kind.Upstream()
	if view.Pauses[kind].Active(now) {
		return permit{}, false
	}
	c := view.Circuit(name)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case now.Before(b.backoffUntil[name]):
		return permit{}, false
	case !c.Open():
		return permit{upstream: name}, true
	case !c.Due(now), b.probing[name]:
		return permit{}, false
	}
	b.probing[name] = true
	return permit{upstream: name, probe: true}, true
}

// release returns a permit.
func (b *breaker) release(p permit) {
	if p.probe {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.probing, p.upstream)
	}
}

// confirm renews a permit after the job was fetched, and reports whether the job may start. The circuit breaker may have
// opened since acquire, and only one of several workers may probe.
func (b *breaker) confirm(ctx context.Context, kind job.Kind, p permit) (granted permit, ok bool) {
	view, now := b.control.View(), b.now()
	c := view.Circuit(p.upstream)
	switch {
	case view.Pauses[kind].Active(now), b.backingOff(p.upstream, now):
		return permit{}, false
	case !c.Open():
		return permit{upstream: p.upstream}, true
	case !c.Due(now), !p.probe, !b.acquireProbe(ctx, p.upstream):
		return permit{}, false
	}
	return p, true
}

// acquireProbe acquires the lease for probing an upstream, which only one worker can hold.
func (b *breaker) acquireProbe(ctx context.Context, name string) bool {
	mine, err := b.control.Probe(ctx, name, b.worker, probeLease)
	if err != nil {
		b.log.DebugContext(ctx, "cannot acquire the permit to probe the upstream", "upstream", name, "error", err)
	}
	return mine
}

// allows reports whether the circuit breaker of an upstream is closed.
func (b *breaker) allows(name string) bool {
	return !b.backingOff(name, b.now()) && !b.control.View().Circuit(name).Open()
}

// backingOff reports whether the last Retry-After of an upstream has not passed at now.
func (b *breaker) backingOff(name string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return now.Before(b.backoffUntil[name])
}

// backOff records the Retry-After of an upstream, and returns its end.
func (b *breaker) backOff(name string, retryAfter time.Duration) time.Time {
	until := b.now().Add(retryAfter)
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.backoffUntil[name]) {
		b.backoffUntil[name] = until
	}
	return until
}

// acquireCall returns a permit for a single call to an upstream that the job's kind does not need, and false if it must
// not be called.
func (b *breaker) acquireCall(ctx context.Context, name string) (p permit, ok bool) {
	c, now := b.control.View().Circuit(name), b.now()
	switch {
	case b.backingOff(name, now):
		return permit{}, false
	case !c.Open():
		return permit{upstream: name}, true
	case !c.Due(now):
		return permit{}, false
	}
	return permit{upstream: name, probe: true}, b.acquireProbe(ctx, name)
}

// nextRetry returns the time until the next upstream may be called again, at most the given one.
func (b *breaker) nextRetry(most time.Duration) time.Duration {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, until := range b.backoffUntil {
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

// renew extends the lease for probing while the job runs.
func (b *breaker) renew(ctx context.Context, p permit) {
	if !p.probe {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if err := b.control.RenewProbe(ctx, p.upstream, b.worker, probeLease); err != nil {
		b.log.DebugContext(ctx, "cannot renew the permit to probe the upstream", "upstream", p.upstream, "error", err)
	}
}

// report records the outcome of a call: f is nil if it succeeded, and known is false if the outcome does not show whether
// the upstream works.
func (b *breaker) report(ctx context.Context, p permit, f *fault.Error, known bool) {
	ctx = context.WithoutCancel(ctx)
	if p.probe || f != nil { // Anything else stores nothing.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, reportTimeout)
		defer cancel()
	}
	if err := b.record(ctx, p, f, known); err != nil {
		b.log.WarnContext(ctx, "cannot store the circuit breaker of the upstream", "upstream", p.upstream, "error", err)
	}
}

func (b *breaker) record(ctx context.Context, p permit, f *fault.Error, known bool) error {
	if !known || (f != nil && refusedByGate(f)) {
		if p.probe {
			return b.control.ReleaseProbe(ctx, p.upstream, b.worker)
		}
		return nil
	}
	trip := control.Trip{Upstream: p.upstream}
	if p.probe {
		trip.Probe = b.worker
	}
	switch {
	case f == nil, f.Class == fault.Permanent, f.Class == fault.Moderated:
		return b.succeeded(ctx, p)
	case f.Others:
		if p.probe {
			return b.close(ctx, p)
		}
		return nil
	case f.Class == fault.Throttled, f.Class == fault.Misconfigured:
		trip.Code, trip.Status = f.Code, f.Status
	case p.provider && b.avoided(p):
		trip.Code, trip.Status = job.CodeUnavailable, f.Status
	case p.provider:
		return nil
	case !b.countsAsDown(p, f):
		b.countError(ctx, p.upstream, f)
		if p.probe {
			return b.close(ctx, p)
		}
		return nil
	default:
		trip.Code, trip.Status = job.CodeUnavailable, f.Status
	}
	if trip.RetryAfter = f.RetryAfter; trip.RetryAfter > 0 {
		until := b.backOff(p.upstream, f.RetryAfter)
		if c := b.control.View().Circuit(p.upstream); !p.probe && c.State == control.CircuitOpen && c.Code == trip.Code && c.Until.After(until) {
			return nil
		}
	}
	trip.Pause = func(trips int) time.Duration { return b.cfg.openFor(trip.Code, trips, f.RetryAfter) }
	before, after, err := b.control.Trip(ctx, trip)
	if err != nil {
		return err
	}
	b.resetUnreachable(p.upstream)
	if after.Trips != before.Trips {
		b.metrics.UpstreamTrips.WithLabelValues(p.upstream, after.Code).Inc()
	}
	if after.Code != before.Code || (before.Retrial && !after.Retrial) {
		b.logOpened(ctx, after, f, p.provider)
	}
	return nil
}

// logOpened logs that a circuit breaker opened: once until it closes or an operator requests a probe.
func (b *breaker) logOpened(ctx context.Context, c control.Circuit, f *fault.Error, provider bool) {
	attributes := []any{
		"upstream", c.Upstream, "code", c.Code, "status", c.Status, "until", c.Until.Time, "error", f, "detail", f.Detail,
	}
	if provider {
		b.log.WarnContext(ctx, "circuit breaker of a provider open: jobs use the others", attributes...)
		return
	}
	if c.Code == job.CodeMisconfigured {
		b.log.ErrorContext(ctx, "circuit breaker open: the upstream refuses the key or the balance; jobs that need it wait until an operator acts", attributes...)
		return
	}
	level := slog.LevelError
	if c.Code == job.CodeThrottled {
		// The upstream works, but asks for fewer requests.
		level = slog.LevelWarn
	}
	b.log.Log(ctx, level, "circuit breaker open: jobs that need the upstream wait", attributes...)
}

// countError counts an error response. After failingAfter in a row it logs and announces the upstream as failing. The
// circuit breaker remains closed, since the errors may be about the requests.
func (b *breaker) countError(ctx context.Context, name string, f *fault.Error) {
	b.mu.Lock()
	b.failed[name]++
	reached := b.failed[name] == failingAfter
	b.mu.Unlock()
	if reached {
		b.log.ErrorContext(ctx, "the upstream returns only errors; jobs that need it are retried one by one",
			"upstream", name, "code", f.Code, "status", f.Status, "error", f, "detail", f.Detail)
		b.announceNow()
	}
}

// failing returns the upstreams that have returned only errors for a while.
func (b *breaker) failing() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var names []string
	for name, n := range b.failed {
		if n >= failingAfter {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// succeeded records that the upstream works.
func (b *breaker) succeeded(ctx context.Context, p permit) error {
	b.mu.Lock()
	failed := b.failed[p.upstream] >= failingAfter
	delete(b.unreachable, p.upstream)
	delete(b.failed, p.upstream)
	b.mu.Unlock()
	if failed {
		b.log.InfoContext(ctx, "the upstream works without errors again", "upstream", p.upstream)
		b.announceNow()
	}
	if !p.probe {
		return nil
	}
	return b.close(ctx, p)
}

// close closes the circuit breaker after a probe.
func (b *breaker) close(ctx context.Context, p permit) error {
	before := b.control.View().Circuit(p.upstream)
	changed, err := b.control.Close(ctx, p.upstream, b.worker)
	if changed {
		b.log.InfoContext(ctx, "circuit breaker closed: the upstream works again", "upstream", p.upstream, "open_since", before.Since.Time, "code", before.Code)
	}
	return err
}

// countsAsDown counts a failed call and reports whether the upstream counts as down: too many calls in a row did not
// reach it, or a probe did not reach it or timed out. Error responses may be about single requests, for which each job
// has its own backoff. An error response to a probe shows that the upstream is neither throttling nor down, but not that
// it accepts this installation.
func (b *breaker) countsAsDown(p permit, f *fault.Error) bool {
	switch {
	case p.probe && (unreachable(f) || timedOut(f)):
		return true
	case !unreachable(f):
		if f.Status != 0 {
			b.resetUnreachable(p.upstream)
		}
		return p.probe && b.control.View().Circuit(p.upstream).Code == job.CodeMisconfigured
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unreachable[p.upstream]++
	return b.unreachable[p.upstream] >= downAfter
}

// resetUnreachable resets the count of consecutive calls without a response: the upstream has responded, or its circuit breaker has
// opened. Whoever closes that, it takes as many calls again to open it.
func (b *breaker) resetUnreachable(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.unreachable, name)
}

// avoided counts a failed call of a provider and reports whether to avoid it for a while: too many calls in a row failed, or
// a probe did. Since others serve meanwhile, every kind of failure counts, also errors that may be about single requests.
func (b *breaker) avoided(p permit) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unreachable[p.upstream]++
	return p.probe || b.unreachable[p.upstream] >= avoidAfter
}

// unreachable reports whether the upstream did not get the request: there was no response, or the edge reports that it
// cannot reach its origin.
func unreachable(f *fault.Error) bool {
	switch f.Status {
	case 0:
		return f.Code == job.CodeUnavailable
	case 521, 522, 523, 530:
		return true
	}
	return false
}

// refusedByGate reports whether an error is from this program's own gate for a legacy service. The upstream was not called then, so
// that nothing follows for its circuit breaker.
func refusedByGate(f *fault.Error) bool {
	return f.Class == fault.Throttled && f.Code == job.CodeThrottled && f.Status == 0
}

// timedOut reports whether a call timed out without a response. It opens no circuit breaker, since the job may have been
// too large, and closes none, since it does not show that the upstream works.
func timedOut(f *fault.Error) bool {
	return f.Status == 0 && f.Code == job.CodeTimeout
}

// reconsider lets the next job probe every upstream and provider that refused this installation: the worker may have been
// restarted with new settings. An upstream with providers is closed, since it may have new ones.
func (b *breaker) reconsider(ctx context.Context, providers []string) error {
	var errs []error
	for _, name := range append(job.Upstreams(), providers...) {
		errs = append(errs, b.control.Reconsider(ctx, name, job.CodeMisconfigured))
	}
	served := make(map[string]bool)
	for _, name := range providers {
		if upstream, ok := job.ServedUpstream(name); ok && !served[upstream] {
			served[upstream] = true
			errs = append(errs, b.control.Reset(ctx, upstream))
		}
	}
	return errors.Join(errs...)
}
