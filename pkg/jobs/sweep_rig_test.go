package jobs_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	dto "github.com/prometheus/client_model/go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// sweeper is a running sweeper with its log and metrics.
type sweeper struct {
	*jobs.Sweeper
	metrics *telemetry.Metrics
	log     *lines
}

const interval = 10 * time.Millisecond

func (r *rig) sweep(t testing.TB, options ...func(*jobs.Sweeper)) *sweeper {
	t.Helper()
	s := &sweeper{metrics: telemetry.NewMetrics(), log: &lines{}}
	leases, err := control.Open(t.Context(), r.broker)
	if err != nil {
		t.Fatal(err)
	}
	s.Sweeper = jobs.NewSweeper(r.Service, leases, s.metrics, slog.New(slog.NewTextHandler(s.log, nil)))
	s.SetInterval(interval)
	for _, option := range options {
		option(s.Sweeper)
	}
	s.Start()
	t.Cleanup(func() { s.halt(t) })
	return s
}

func (s *sweeper) halt(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop sweeper: %v", err)
	}
}

func (s *sweeper) leads(t testing.TB) bool {
	t.Helper()
	return value(t, s.metrics.SweeperLeads) == 1
}

// ended returns how many jobs the sweeper has counted as ended.
func (s *sweeper) ended(t testing.TB) int {
	t.Helper()
	total := 0.0
	for _, kind := range job.Kinds() {
		total += value(t, s.metrics.SweeperEnded.WithLabelValues(string(kind)))
	}
	return int(total)
}

func value(t testing.TB, c interface{ Write(*dto.Metric) error }) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), part)
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	guard := time.NewTimer(hang)
	defer guard.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-guard.C:
			t.Fatalf("never: %s", what)
		}
	}
}

// ends counts the terminal records by id as they are written.
type ends struct {
	sub *nats.Subscription
}

func (r *rig) ends(t testing.TB) *ends {
	t.Helper()
	sub := brokertest.Subscribe(t, r.broker.Conn(), "events.result.>")
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		t.Fatal(err)
	}
	if err := r.broker.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	return &ends{sub}
}

// next waits for the next terminal record.
func (e *ends) next(t testing.TB) *job.Record {
	t.Helper()
	msg, err := e.sub.NextMsg(hang)
	if err != nil {
		t.Fatalf("no job has ended: %v", err)
	}
	record, err := job.DecodeRecord(msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// none checks that no further record was written so far.
func (e *ends) none(t testing.TB, b *broker.Broker) {
	t.Helper()
	if err := b.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := e.sub.Pending(); err != nil || n != 0 {
		t.Errorf("%d more records, %v", n, err)
	}
}

// settled checks that only the record of a job is left, and its dead letter if it failed.
func (r *rig) settled(t testing.TB, spec *job.Spec) {
	t.Helper()
	eventually(t, "the job is settled", func() bool {
		_, _, err := r.store.ProgressLeader(t.Context(), spec.Owner, spec.ID)
		return !r.queued(t, spec) && errors.Is(err, store.ErrNotFound)
	})
	record, err := r.store.RecordLeader(t.Context(), spec.Owner, spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = broker.LeaderLast(t.Context(), r.broker.JetStream(), broker.StreamDead, broker.DeadSubject(spec.Kind, spec.Owner, spec.ID))
	if (err == nil) != (record.Status == job.StatusFailed) {
		t.Errorf("%s, dead letter: %v", record.Status, err)
	}
}

// due submits a job of u1 whose deadline is in the given time.
func (r *rig) due(t testing.TB, in time.Duration, changes ...func(*job.Spec)) *job.Spec {
	t.Helper()
	spec := fresh(t, "u1")
	spec.Deadline = job.At(time.Now().Add(in))
	for _, change := range changes {
		change(spec)
	}
	r.submitSpec(t, spec)
	return spec
}

// second returns a rig with its own connection to the same NATS, like that of another process.
func (r *rig) second(t testing.TB) *rig {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{URL: env.Secret(r.broker.ClientURL()), Follower: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
		defer cancel()
		_ = b.Close(ctx)
	})
	return on(t, b)
}

func withPort(c *broker.Config) { c.Listen = "127.0.0.1:0" }
