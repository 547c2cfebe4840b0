package processortest

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/internal/hooks"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

// Worker is a processor with its own metrics and log.
type Worker struct {
	*processor.Processor
	// Control is the worker's view of the circuit breakers. It changes a moment after the state in NATS.
	Control *control.Controller
	Metrics *telemetry.Metrics
	Log     *Log

	t    testing.TB
	once sync.Once
}

// idleWait is how long a pull waits on a lane without jobs. A worker that is no part of an API process stops when its last pull has ended.
const idleWait = 200 * time.Millisecond

// Config returns the configuration of processors in tests: two slots of each kind, short delays, no soft stop.
func Config(options ...func(*processor.Config)) processor.Config {
	cfg := processor.Config{
		SlotsImage: 2, SlotsAudio: 2, SlotsText: 2, RetryInitialDelay: 30 * time.Millisecond, RetryMaxDelay: 200 * time.Millisecond,
		ImageTimeout: time.Minute, AudioTimeout: time.Minute, TextTimeout: time.Minute, SoftStop: 10 * time.Millisecond,
	}
	cfg.SetHooks(func(h *hooks.Processor) { h.IdleWait = idleWait })
	for _, option := range options {
		option(&cfg)
	}
	return cfg
}

// StartOn starts a processor on a broker and stops it when the test ends.
func StartOn(t testing.TB, b *broker.Broker, g processor.Generator, options ...func(*processor.Config)) *Worker {
	t.Helper()
	w := NewWorker(t, b, g, options...)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Shutdown)
	return w
}

// NewWorker returns a processor on a broker without starting it.
func NewWorker(t testing.TB, b *broker.Broker, g processor.Generator, options ...func(*processor.Config)) *Worker {
	t.Helper()
	return newWorker(t, On(t, b), false, g, options)
}

// StartInside is Start for a worker in the process of the API, with whose store it holds back the progress of jobs.
func (r *Rig) StartInside(g processor.Generator, options ...func(*processor.Config)) *Worker {
	r.t.Helper()
	w := newWorker(r.t, r, true, g, options)
	if err := w.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(w.Shutdown)
	return w
}

func newWorker(t testing.TB, r *Rig, besideAPI bool, g processor.Generator, options []func(*processor.Config)) *Worker {
	t.Helper()
	b := r.Broker
	w := &Worker{t: t, Metrics: telemetry.NewMetrics(), Log: &Log{}}
	log := slog.New(slog.NewTextHandler(w.Log, nil))
	w.Control = control.NewController(r.Control, log, nil)
	if err := w.Control.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Control.Stop)
	p, err := processor.New(Config(options...), processor.Deps{
		Queue: r.Queue, Store: r.Store, Jobs: jobs.New(b, r.Queue, r.Store, jobs.WithMetrics(w.Metrics), jobs.WithLog(log)),
		Control: w.Control, Generator: g, Metrics: w.Metrics, Log: log,
		BesideAPI: besideAPI, Watched: r.Watched, Busy: r.Busy, AckWait: b.AckWait(), Mode: "simulator", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Processor = p
	return w
}

// Shutdown stops the processor. It may be called more than once.
func (w *Worker) Shutdown() {
	w.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), Timeout)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			w.t.Errorf("stop worker: %v", err)
		}
	})
}

// Log is a writer that collects a log. It is safe for concurrent use.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns the log so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
