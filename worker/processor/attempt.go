package processor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// attempt is one delivery of a job.
type attempt struct {
	processor *Processor
	delivery  *queue.Delivery
	spec      *job.Spec
	cancel    context.CancelCauseFunc
	// server is what broker.GroupCommitServer returned before the attempt stored anything.
	server string
	// ended, if not nil, is called when the job has ended and only has to be removed from the queue.
	ended func()

	// updating is a lock for writes of the progress, held by sending to it.
	updating chan struct{}

	// mu guards what follows. It is never held during a request to NATS, since heartbeats take it.
	mu sync.Mutex
	// permit is for the upstream that the job needs.
	permit permit
	// probes are the permits for probes of other upstreams, by upstream.
	probes   map[string]permit
	progress *job.Progress
	revision uint64
	state    progressState
	// release stores a progress that is held back; nil if none was.
	release *time.Timer
	// stopped is closed when the worker stops or has lost the job; nil until a settlement begins.
	stopped <-chan struct{}
}

// work handles one delivery. A job that it does not end is redelivered. ended is as for runJob.
func (p *Processor) work(ctx context.Context, d *queue.Delivery, granted permit, ended func()) {
	ctx = p.tracing.WithMessage(telemetry.WithJobID(ctx, d.ID), d.Header)
	a := &attempt{
		processor: p, delivery: d, spec: d.Spec, server: p.jobs.GroupCommitServer(), permit: granted, ended: ended, updating: make(chan struct{}, 1),
	}
	defer func() {
		if r := recover(); r != nil {
			p.metrics.Panics.WithLabelValues("processor").Inc()
			p.log.ErrorContext(ctx, "attempt panicked", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			a.keepProgress(ctx)
		}
		a.dropHeldProgress(ctx)
	}()
	if d.Count > 1 {
		p.metrics.Redeliveries.WithLabelValues(string(d.Kind)).Inc()
	}
	if d.Fault != nil {
		a.unreadable(ctx)
		return
	}
	ctx = telemetry.WithRequestID(ctx, d.Spec.RequestID)
	ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	untrack := p.track(a)
	defer untrack()
	stop := a.keepAlive(ctx)
	defer stop()
	err := a.run(ctx)
	switch {
	case err == nil, errors.Is(err, errHookStopped):
		return
	case errors.Is(context.Cause(ctx), errShutdown):
		err = a.returnToQueue(ctx)
	case errors.Is(err, job.ErrNewer):
		err = d.NakWithDelay(newerDelay)
	}
	if err != nil {
		// The job is still in the queue; its next delivery continues from the stored state.
		level := slog.LevelWarn
		if !p.queue.Connected() {
			// One line for all running jobs is enough.
			p.queueOutage.report(context.WithoutCancel(ctx), err)
			level = slog.LevelDebug
		}
		p.log.Log(ctx, level, "job left for redelivery", "error", err, "kind", string(d.Kind), "delivery", d.Count)
	}
}

// run continues the job from its stored state. After an error the job stays in the queue.
func (a *attempt) run(ctx context.Context) error {
	record, err := a.recordBefore(ctx)
	switch {
	case err == nil:
		return a.finish(ctx, record)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if a.spec.Expired(a.processor.now()) {
		return a.expire(ctx)
	}
	if done, err := a.useCache(ctx); done || err != nil {
		return err
	}
	granted, ok := a.processor.breaker.confirm(ctx, a.spec.Kind, a.currentPermit())
	a.setPermit(granted)
	if !ok {
		return a.requeue(ctx)
	}
	reported := false
	defer func() {
		if !reported {
			a.processor.breaker.report(ctx, granted, nil, false)
		}
	}()
	proceed, err := a.begin(ctx)
	if err != nil || !proceed {
		return err
	}
	ctx, span := a.processor.tracing.StartProcess(ctx, string(a.spec.Kind), a.spec.ID, a.currentProgress().Attempt, a.delivery.Count)
	// The outcome replaces the code; after a panic it remains.
	code := job.CodeInternal
	defer func() {
		if code != "" {
			span.Fail(code)
		}
		span.End()
	}()
	a.announceStart(ctx)
	task, err := a.task(ctx)
	if err != nil {
		return err
	}
	if !granted.probe && !a.processor.breaker.allows(granted.upstream) {
		// The circuit breaker opened after confirm.
		span.Verdict("step_back")
		code = ""
		return a.returnUncalled(ctx)
	}
	refused := task.Refused()
	complete, before := task.complete(refused), len(task.stored())
	started := a.processor.now()
	result, o := a.generate(ctx, task)
	run := a.processor.now().Sub(started)
	a.processor.metrics.AttemptOutcomes.WithLabelValues(string(a.spec.Kind), outcomeLabel(o)).Inc()
	a.observeRetryAfter(o)
	if !complete {
		a.processor.metrics.RunDuration.WithLabelValues(string(a.spec.Kind)).Observe(run.Seconds())
		if o.verdict == verdictSucceed {
			a.processor.measure(a.spec.Kind, run)
		}
		reported = a.report(ctx, o, refused, len(task.stored()) > before)
	}
	span.Verdict(string(o.verdict))
	if err := a.conclude(ctx, task, result, o); err != nil {
		return err
	}
	code = o.code
	return nil
}

// recordBefore is terminalRecord at the start of the attempt. It costs nothing for the first delivery of a job that this process has
// created.
func (a *attempt) recordBefore(ctx context.Context) (*job.Record, error) {
	if a.processor.besideAPI && a.processor.store.TakeNew(a.spec.ID) && a.delivery.Count == 1 {
		return nil, store.ErrNotFound
	}
	return a.terminalRecord(ctx)
}

// terminalRecord returns the job's terminal record. On a redelivery it reads from the leader, since a replica may lag
// behind.
func (a *attempt) terminalRecord(ctx context.Context) (*job.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	if a.delivery.Count > 1 {
		return a.processor.store.RecordLeader(ctx, a.spec.Owner, a.spec.ID)
	}
	return a.processor.store.Record(ctx, a.spec.Owner, a.spec.ID)
}

// task returns the task for the generator, with the media that earlier attempts stored.
func (a *attempt) task(ctx context.Context) (*Task, error) {
	t := &Task{Spec: a.spec, attempt: a, media: make(map[int]job.Media)}
	if p := a.currentProgress(); p != nil {
		t.Optimized, t.usage, t.Last = p.Optimized, p.Usage, p.Attempt >= a.spec.MaxAttempts
	}
	if a.delivery.Count == 1 {
		return t, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	count := mediaCount(a.spec)
	for i := range count {
		var m job.Media
		var err error
		if count == 1 {
			m, err = a.processor.store.FindOnlyMedia(ctx, a.spec.Owner, a.spec.ID)
		} else {
			m, err = a.processor.store.MediaInfo(ctx, a.spec.Owner, a.spec.ID, i)
		}
		switch {
		case err == nil:
			t.media[i] = m
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return t, nil
}

// generate calls the generator, bounded by the time-out of the job's kind and the job's deadline.
func (a *attempt) generate(ctx context.Context, task *Task) (*job.Result, outcome) {
	end, reason := a.spec.Deadline.Time, errDeadline
	if timeout := time.Now().Add(a.processor.cfg.timeout(a.spec.Kind)); timeout.Before(end) {
		end, reason = timeout, errTimeout
	}
	ctx, cancel := context.WithDeadlineCause(ctx, end, reason)
	defer cancel()
	result, err := a.processor.generator.Generate(ctx, task)
	var cause error
	if ctx.Err() != nil && err != nil {
		cause = context.Cause(ctx)
	}
	o := judge(err, cause)
	if o.verdict != verdictSucceed {
		a.processor.log.InfoContext(ctx, "attempt did not succeed", "kind", string(a.spec.Kind), "verdict", string(o.verdict),
			"code", o.code, "error", err, "attempt", a.currentProgress().Attempt)
	}
	return result, o
}

// currentPermit returns the permit for the upstream that the job needs.
func (a *attempt) currentPermit() permit {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.permit
}

// currentProgress returns the progress, which must not be changed; nil before the attempt has begun.
func (a *attempt) currentProgress() *job.Progress {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.progress
}

func (a *attempt) setProgress(p *job.Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.progress = p
}

func (a *attempt) setPermit(granted permit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.permit = granted
}

// report reports the outcome to the circuit breaker of the job's upstream. It returns false if the outcome does not
// involve that upstream. Images refused in earlier attempts are left out, since they were reported then, and so are those for which
// the gate allowed no call; made is set if the attempt has made an image of a set.
func (a *attempt) report(ctx context.Context, o outcome, refused map[int]*fault.Error, made bool) bool {
	b, granted := a.processor.breaker, a.currentPermit()
	faults := maps.Clone(o.faults)
	maps.DeleteFunc(faults, func(index int, f *fault.Error) bool { return refused[index] != nil || refusedByGate(f) })
	switch {
	case o.verdict == verdictSucceed, made && len(o.faults) > 0 && len(faults) == 0:
		b.report(ctx, granted, nil, true)
	case len(faults) > 0:
		// Each image of a set is a separate call; the worst error counts.
		b.report(ctx, granted, worst(faults), true)
	case o.fault != nil && o.fault.Upstream == granted.upstream && o.fault.Class != fault.Canceled:
		b.report(ctx, granted, o.fault, true)
	case o.code == job.CodeTimeout:
		b.report(ctx, granted, &fault.Error{Upstream: granted.upstream, Class: fault.Retryable, Code: o.code}, true)
	default:
		return false
	}
	return true
}

// observeRetryAfter records the upstreams' Retry-After in the metrics.
func (a *attempt) observeRetryAfter(o outcome) {
	faults := slices.Collect(maps.Values(o.faults))
	if len(faults) == 0 && o.fault != nil {
		faults = append(faults, o.fault)
	}
	for _, f := range faults {
		if f.RetryAfter > 0 && f.Upstream != "" {
			a.processor.metrics.UpstreamRetryAfter.WithLabelValues(f.Upstream).Observe(f.RetryAfter.Seconds())
		}
	}
}

// conclude settles, delays or returns the job, as the outcome of the attempt requires.
func (a *attempt) conclude(ctx context.Context, task *Task, result *job.Result, o outcome) error {
	counts := a.currentProgress().Counts
	switch o.verdict {
	case verdictSucceed:
		return a.succeed(ctx, task, result, nil)
	case verdictRetry:
		counts.Failures++
		if counts.Failures >= a.spec.MaxAttempts {
			return a.fail(ctx, task, o, counts)
		}
		return a.retry(ctx, o, counts, a.processor.cfg.delay(counts.Failures-1, retryAfter(o)))
	case verdictWait:
		counts.Throttles++
		return a.retry(ctx, o, counts, a.throttleDelay(o, counts))
	case verdictFail:
		if o.fault != nil {
			counts.Failures++
		}
		return a.fail(ctx, task, o, counts)
	case verdictReturn:
		return a.returnToQueue(ctx)
	case verdictAbandon:
	}
	return nil
}

// throttleDelay returns the delay of a throttled job. It does not grow while the circuit breaker is open: no job is
// fetched then, and an operator may close the breaker early.
func (a *attempt) throttleDelay(o outcome, counts job.Counts) time.Duration {
	n := counts.Throttles - 1
	if a.processor.control.View().Circuit(a.spec.Kind.Upstream()).Open() {
		n = 0
	}
	return a.processor.cfg.delay(n, retryAfter(o))
}
