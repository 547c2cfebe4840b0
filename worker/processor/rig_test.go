package processor_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

const (
	// patience is a guard against hanging; nothing that works comes near it.
	patience = 40 * time.Second
	// shortWait is the AckWait of tests in which a job comes back from a worker that was lost, and shortBeat fits it.
	shortWait = 3 * time.Second
	shortBeat = shortWait / 3
)

// rig is a NATS with everything that the API would have on it.
type rig struct {
	*testing.T
	broker *broker.Broker
	queue  *queue.Queue
	store  *store.Store
	jobs   *jobs.Service
}

func newRig(t *testing.T, options ...func(*broker.Config)) *rig {
	t.Helper()
	return onBroker(t, brokertest.Start(t, options...))
}

func onBroker(t *testing.T, b *broker.Broker) *rig {
	t.Helper()
	q, err := queue.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{T: t, broker: b, queue: q, store: s, jobs: jobs.New(q, s)}
}

func withShortWait(c *broker.Config) { c.AckWait = shortWait }
func withPort(c *broker.Config)      { c.Listen = "127.0.0.1:0" }

// dial connects to a NATS with a port the way a standalone worker does.
func dial(t *testing.T, url string) *broker.Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{URL: env.Secret(url), Follower: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

// worker is a running processor.
type worker struct {
	*processor.Processor
	t       *testing.T
	metrics *telemetry.Metrics
	log     *lines
	once    sync.Once
}

func config(options ...func(*processor.Config)) processor.Config {
	cfg := processor.Config{
		SlotsImage: 2, SlotsAudio: 2, SlotsText: 2, RetryInitialDelay: 30 * time.Millisecond, RetryMaxDelay: 200 * time.Millisecond,
		ImageTimeout: time.Minute, AudioTimeout: time.Minute, TextTimeout: time.Minute, SoftStop: 10 * time.Millisecond,
	}
	for _, option := range options {
		option(&cfg)
	}
	return cfg
}

func withShortBeat(c *processor.Config) { c.Heartbeat = shortBeat }
func withOneSlot(c *processor.Config)   { c.SlotsImage, c.SlotsAudio, c.SlotsText = 1, 1, 1 }

// start runs a worker on the rig's own connection until the test ends.
func (r *rig) start(g processor.Generator, options ...func(*processor.Config)) *worker {
	r.Helper()
	return startOn(r.T, r.broker, g, options...)
}

func startOn(t *testing.T, b *broker.Broker, g processor.Generator, options ...func(*processor.Config)) *worker {
	t.Helper()
	w := newWorker(t, b, g, options...)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w
}

func newWorker(t *testing.T, b *broker.Broker, g processor.Generator, options ...func(*processor.Config)) *worker {
	t.Helper()
	r := onBroker(t, b)
	w := &worker{t: t, metrics: telemetry.NewMetrics(), log: &lines{}}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	control := r.queue.NewControl(log, nil)
	if err := control.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Stop)
	p, err := processor.New(config(options...), processor.Deps{
		Queue: r.queue, Store: r.store, Control: control, Generator: g, Metrics: w.metrics, Log: log,
		Mode: "simulator", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Processor = p
	return w
}

// stop stops the worker once.
func (w *worker) stop() {
	w.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), patience)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			w.t.Errorf("stop worker: %v", err)
		}
	})
}

// counter returns the value of a counter.
func counter(t *testing.T, c interface{ Write(*dto.Metric) error }) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// measured returns how often a histogram has measured something, and the sum.
func measured(t *testing.T, o prometheus.Observer) (n uint64, sum float64) {
	t.Helper()
	var m dto.Metric
	if err := o.(prometheus.Histogram).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// eventually looks until it sees.
func (r *rig) eventually(what string, see func() bool) {
	r.Helper()
	eventually(r.T, what, see)
}

func eventually(t *testing.T, what string, see func() bool) {
	t.Helper()
	guard := time.NewTimer(patience)
	defer guard.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !see() {
		select {
		case <-again.C:
		case <-guard.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// submission changes a job before it is submitted.
type submission func(*job.Spec)

func asGuest(s *job.Spec)           { s.Lane = job.LaneGuest }
func attempts(n int) submission     { return func(s *job.Spec) { s.MaxAttempts = n } }
func input(in job.Input) submission { return func(s *job.Spec) { s.Input = in } }
func deadline(after time.Duration) submission {
	return func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(after)) }
}

func pictures(n int, seed int64) job.Input {
	return &job.ImageInput{Prompt: "a lighthouse", N: &n, Seed: &seed}
}

func sized(n, side int, seed int64) job.Input {
	return &job.ImageInput{Prompt: "a lighthouse", N: &n, Seed: &seed, Width: &side, Height: &side}
}

func newSpec(t *testing.T, kind job.Kind, changes ...submission) *job.Spec {
	t.Helper()
	id, created, err := jobs.NewID()
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[job.Kind]job.Input{
		job.KindImage: sized(1, 64, 7), job.KindAudio: &job.AudioInput{Text: "good evening"},
		job.KindPrompt: &job.TextInput{Text: "a cat"}, job.KindTranslation: &job.TextInput{Text: "你好"},
	}
	s := &job.Spec{
		ID: id, Kind: kind, Lane: job.LaneMember, Owner: "owner", Input: inputs[kind], CreatedAt: job.At(created),
		Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 3, Fingerprint: "fingerprint", RequestID: "request",
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

func (r *rig) submit(kind job.Kind, changes ...submission) *job.Spec {
	r.Helper()
	s := newSpec(r.T, kind, changes...)
	if _, _, err := r.jobs.Submit(r.Context(), s, false); err != nil {
		r.Fatal(err)
	}
	return s
}

// ended waits until a job has its terminal record.
func (r *rig) ended(s *job.Spec) *job.Record {
	r.Helper()
	var record *job.Record
	r.eventually("the job ends", func() bool {
		var err error
		record, err = r.store.RecordLeader(r.Context(), s.Owner, s.ID)
		return err == nil
	})
	return record
}

// settled waits until a job has ended and nothing of it is left but its record.
func (r *rig) settled(s *job.Spec) *job.Record {
	r.Helper()
	r.ended(s)
	r.eventually("the job leaves the queue", func() bool { return !r.queued(s) })
	r.eventually("the progress is dropped", func() bool { return r.progress(s) == nil })
	record, err := r.store.RecordLeader(r.Context(), s.Owner, s.ID)
	if err != nil {
		r.Fatal(err)
	}
	return record
}

func (r *rig) queued(s *job.Spec) bool {
	_, err := r.queue.FindLeader(r.Context(), s.Owner, s.ID)
	return !errors.Is(err, queue.ErrNotFound)
}

// progress returns the job's progress, nil when there is none.
func (r *rig) progress(s *job.Spec) *job.Progress {
	p, _, err := r.store.ProgressLeader(r.Context(), s.Owner, s.ID)
	if err != nil {
		return nil
	}
	return p
}

// progressing waits for a progress that fits.
func (r *rig) progressing(s *job.Spec, what string, fits func(*job.Progress) bool) *job.Progress {
	r.Helper()
	var p *job.Progress
	r.eventually(what, func() bool {
		p = r.progress(s)
		return p != nil && fits(p)
	})
	return p
}

// raw returns the last message on a subject, nil when there is none.
func (r *rig) raw(stream, subject string) *jetstream.RawStreamMsg {
	r.Helper()
	msg, err := broker.LeaderLast(r.Context(), r.broker.JetStream(), stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		r.Fatal(err)
	}
	return msg
}

// dead returns the job's dead letter, nil when there is none.
func (r *rig) dead(s *job.Spec) *job.DeadLetter {
	r.Helper()
	msg := r.raw(broker.StreamDead, broker.DeadSubject(s.Kind, s.Owner, s.ID))
	if msg == nil {
		return nil
	}
	d, err := job.DecodeDeadLetter(msg.Data)
	if err != nil {
		r.Fatal(err)
	}
	return d
}
