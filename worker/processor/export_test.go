package processor

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// Step names a step of a settlement.
type Step = jobs.Step

// The steps of a settlement, in their order.
const (
	StepMedia    = jobs.StepMedia
	StepRecord   = jobs.StepRecord
	StepFollowUp = jobs.StepFollowUp
	StepAck      = jobs.StepUnqueue
)

// FinishingPerSlot is finishingPerSlot.
const FinishingPerSlot = finishingPerSlot

// Causes returns the causes with which an attempt is canceled, by name.
func Causes() map[string]error {
	return map[string]error{
		"shutdown": errShutdown, "lost": errLost, "stale": errStale, "ended": errEnded, "deadline": errDeadline,
		"timeout": errTimeout, "stopped": errHookStopped,
	}
}

// Outcome is the outcome of an attempt.
type Outcome struct {
	Verdict, Code string
	Faults        map[int]*fault.Error
	RetryAfter    time.Duration
}

// Judge returns the outcome of an attempt with an error and a cause.
func Judge(err, cause error) Outcome {
	o := judge(err, cause)
	return Outcome{string(o.verdict), o.code, o.faults, retryAfter(o)}
}

// Delay returns the delay before the attempt that follows n earlier ones.
func (c Config) Delay(n int, retryAfter time.Duration) time.Duration { return c.delay(n, retryAfter) }

// Measure adds a run to the average of its kind.
func (p *Processor) Measure(kind job.Kind, run time.Duration) { p.measure(kind, run) }

// TextPercent estimates the progress of a text.
func TextPercent(soFar string, expected int) int { return textPercent(soFar, expected) }

// BackOff makes the worker wait as after a Retry-After, before the shared state is stored.
func (p *Processor) BackOff(name string, retryAfter time.Duration) {
	p.breaker.backOff(name, retryAfter)
}

// SetHeartbeat sets the interval of heartbeats.
func (c *Config) SetHeartbeat(d time.Duration) { c.hooks.Heartbeat = d }

// SetWriteTimeout sets the time after which a write of a few bytes is repeated.
func (c *Config) SetWriteTimeout(d time.Duration) { c.hooks.WriteTimeout = d }

// SetSettleTimeout sets how long each step of a settlement is retried.
func (c *Config) SetSettleTimeout(d time.Duration) { c.hooks.SettleTimeout = d }

// SetProgressDelay sets how long the progress of a first delivery is held back.
func (c *Config) SetProgressDelay(d time.Duration) { c.hooks.ProgressDelay = d }

// SetIdleWait sets how long a pull waits on a lane without jobs; as long as in production if 0.
func (c *Config) SetIdleWait(d time.Duration) { c.hooks.IdleWait = d }

// SetMisconfiguredDelay sets the first delay after an upstream refused this installation.
func (c *Config) SetMisconfiguredDelay(d time.Duration) { c.hooks.MisconfiguredDelay = d }

// SetAfterStep sets a function to call after each step of a settlement; its error abandons the delivery.
func (c *Config) SetAfterStep(f func(Step) error) { c.hooks.AfterStep = f }
