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
	Timeout = 40 * time.Second
	// shortWait is the AckWait of tests in which a job comes back from a worker that was lost, and shortBeat fits it.
	shortWait = 3 * time.Second
	shortBeat = shortWait / 3
)

// rig is a NATS with everything that the API would have on it.
type rig struct {
	*testing.T
	Broker *broker.Broker
	Queue  *queue.Queue
	Store  *store.Store
	Jobs   *jobs.Service
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
	return &rig{T: t, Broker: b, Queue: q, Store: s, Jobs: jobs.New(q, s)}
}

func withShortWait(c *broker.Config) { c.AckWait = shortWait }
func withPort(c *broker.Config)      { c.Listen = "127.0.0.1:0" }

// dial connects to a NATS with a port the way a standalone worker does.
func Dial(t *testing.T, url string) *broker.Broker {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{URL: env.Secret(url), Follower: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Timeout)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

// worker is a running processor.
type Worker struct {
	*processor.Processor
	t       *testing.T
	Metrics *telemetry.Metrics
	Log     *Log
	once    sync.Once
}

func Config(options ...func(*processor.Config)) processor.Config {
	cfg := processor.Config{
		SlotsImage: 2, SlotsAudio: 2, SlotsText: 2, RetryInitialDelay: 30 * time.Millisecond, RetryMaxDelay: 200 * time.Millisecond,
		ImageTimeout: time.Minute, AudioTimeout: time.Minute, TextTimeout: time.Minute, SoftStop: 10 * time.Millisecond,
	}
	for _, option := range options {
		option(&cfg)
	}
	return cfg
}

func withShortBeat(c *processor.Config) { c.SetHeartbeat(shortBeat) }
func withOneSlot(c *processor.Config)   { c.SlotsImage, c.SlotsAudio, c.SlotsText = 1, 1, 1 }

// start runs a worker on the rig's own connection until the test ends.
func (r *rig) Start(g processor.Generator, options ...func(*processor.Config)) *Worker {
	r.Helper()
	return StartOn(r.T, r.Broker, g, options...)
}

func StartOn(t *testing.T, b *broker.Broker, g processor.Generator, options ...func(*processor.Config)) *Worker {
	t.Helper()
	w := NewWorker(t, b, g, options...)
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Shutdown)
	return w
}

func NewWorker(t *testing.T, b *broker.Broker, g processor.Generator, options ...func(*processor.Config)) *Worker {
	t.Helper()
	r := onBroker(t, b)
	w := &Worker{t: t, Metrics: telemetry.NewMetrics(), Log: &Log{}}
	log := slog.New(slog.NewTextHandler(w.Log, nil))
	control := r.Queue.NewControl(log, nil)
	if err := control.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(control.Stop)
	p, err := processor.New(Config(options...), processor.Deps{
		Queue: r.Queue, Store: r.Store, Control: control, Generator: g, Metrics: w.Metrics, Log: log,
		AckWait: b.Config().AckWait, Mode: "simulator", Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Processor = p
	return w
}

// stop stops the worker once.
func (w *Worker) Shutdown() {
	w.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(w.t.Context()), Timeout)
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
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// eventually looks until it sees.
func (r *rig) Eventually(what string, see func() bool) {
	r.Helper()
	Eventually(r.T, what, see)
}

func Eventually(t *testing.T, what string, see func() bool) {
	t.Helper()
	guard := time.NewTimer(Timeout)
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
type SpecOption func(*job.Spec)

func AsGuest(s *job.Spec)           { s.Lane = job.LaneGuest }
func MaxAttempts(n int) SpecOption  { return func(s *job.Spec) { s.MaxAttempts = n } }
func Input(in job.Input) SpecOption { return func(s *job.Spec) { s.Input = in } }
func Deadline(after time.Duration) SpecOption {
	return func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(after)) }
}

func Images(n int, seed int64) job.Input {
	return &job.ImageInput{Prompt: "a lighthouse", N: &n, Seed: &seed}
}

func SizedImages(n, side int, seed int64) job.Input {
	return &job.ImageInput{Prompt: "a lighthouse", N: &n, Seed: &seed, Width: &side, Height: &side}
}

func NewSpec(t *testing.T, kind job.Kind, changes ...SpecOption) *job.Spec {
	t.Helper()
	id, created, err := jobs.NewID()
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[job.Kind]job.Input{
		job.KindImage: SizedImages(1, 64, 7), job.KindAudio: &job.AudioInput{Text: "good evening"},
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

func (r *rig) Submit(kind job.Kind, changes ...SpecOption) *job.Spec {
	r.Helper()
	s := NewSpec(r.T, kind, changes...)
	if _, _, err := r.Jobs.Submit(r.Context(), s, false); err != nil {
		r.Fatal(err)
	}
	return s
}

// ended waits until a job has its terminal record.
func (r *rig) WaitRecord(s *job.Spec) *job.Record {
	r.Helper()
	var record *job.Record
	r.Eventually("the job ends", func() bool {
		var err error
		record, err = r.Store.RecordLeader(r.Context(), s.Owner, s.ID)
		return err == nil
	})
	return record
}

// settled waits until a job has ended and nothing of it is left but its record.
func (r *rig) WaitSettled(s *job.Spec) *job.Record {
	r.Helper()
	r.WaitRecord(s)
	r.Eventually("the job leaves the queue", func() bool { return !r.Queued(s) })
	r.Eventually("the progress is dropped", func() bool { return r.Progress(s) == nil })
	record, err := r.Store.RecordLeader(r.Context(), s.Owner, s.ID)
	if err != nil {
		r.Fatal(err)
	}
	return record
}

func (r *rig) Queued(s *job.Spec) bool {
	_, err := r.Queue.FindLeader(r.Context(), s.Owner, s.ID)
	return !errors.Is(err, queue.ErrNotFound)
}

// progress returns the job's progress, nil when there is none.
func (r *rig) Progress(s *job.Spec) *job.Progress {
	p, _, err := r.Store.ProgressLeader(r.Context(), s.Owner, s.ID)
	if err != nil {
		return nil
	}
	return p
}

// progressing waits for a progress that fits.
func (r *rig) WaitProgress(s *job.Spec, what string, fits func(*job.Progress) bool) *job.Progress {
	r.Helper()
	var p *job.Progress
	r.Eventually(what, func() bool {
		p = r.Progress(s)
		return p != nil && fits(p)
	})
	return p
}

// raw returns the last message on a subject, nil when there is none.
func (r *rig) LastMessage(stream, subject string) *jetstream.RawStreamMsg {
	r.Helper()
	msg, err := broker.LeaderLast(r.Context(), r.Broker.JetStream(), stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		r.Fatal(err)
	}
	return msg
}

// dead returns the job's dead letter, nil when there is none.
func (r *rig) DeadLetter(s *job.Spec) *job.DeadLetter {
	r.Helper()
	msg := r.LastMessage(broker.StreamDead, broker.DeadSubject(s.Kind, s.Owner, s.ID))
	if msg == nil {
		return nil
	}
	d, err := job.DecodeDeadLetter(msg.Data)
	if err != nil {
		r.Fatal(err)
	}
	return d
}
