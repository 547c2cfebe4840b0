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

// Causes returns the causes with which an attempt is broken off, by name.
func Causes() map[string]error {
	return map[string]error{
		"shutdown": errShutdown, "lost": errLost, "stale": errStale, "ended": errEnded, "deadline": errDeadline,
		"timeout": errTimeout, "stopped": errHookStopped,
	}
}

// StoreError returns the error of a store that failed.
func StoreError(err error) error { return &storeError{err} }

// Judged is what judge says.
type Judged struct {
	Verdict, Code string
	Fault         *fault.Error
	Faults        map[int]*fault.Error
	Asked         time.Duration
}

// Judge says what follows from an error and a cause.
func Judge(err, cause error) Judged {
	o := judge(err, cause)
	return Judged{string(o.verdict), o.code, o.fault, o.faults, retryAfter(o)}
}

// Delay returns how long to wait before the attempt that follows n earlier ones.
func (c Config) Delay(n int, asked time.Duration) time.Duration { return c.delay(n, asked) }

// Measure takes a run into the average.
func (p *Processor) Measure(kind job.Kind, run time.Duration) { p.measure(kind, run) }

// Written lets tests see the estimate of how far a text has come.
func Written(soFar string, expected int) int { return textPercent(soFar, expected) }

// Heed makes the worker leave an upstream alone as if it had just been told to, before anybody else knows.
func (p *Processor) Heed(name string, pause time.Duration) { p.breaker.backOff(name, pause) }

// SetHeartbeat sets how often a running job is reported.
func (c *Config) SetHeartbeat(d time.Duration) { c.hooks.heartbeat = d }

// SetWriteTimeout sets after how long a write of a few bytes is repeated.
func (c *Config) SetWriteTimeout(d time.Duration) { c.hooks.writeTimeout = d }

// SetSettleTimeout sets for how long each step of a settlement is tried.
func (c *Config) SetSettleTimeout(d time.Duration) { c.hooks.settleTimeout = d }

// SetMisconfiguredDelay sets the first pause of an upstream that refuses this installation.
func (c *Config) SetMisconfiguredDelay(d time.Duration) { c.hooks.misconfiguredDelay = d }

// SetAfterStep has f called after each step of a settlement; an error stops the delivery there.
func (c *Config) SetAfterStep(f func(Step) error) { c.hooks.afterStep = f }
