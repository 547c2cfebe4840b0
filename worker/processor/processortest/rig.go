// Package processortest builds what a test of a worker needs: a real NATS with the queue, the store and the service of
// jobs on it, processors that run until the test ends, and a Generator that does what the test says.
//
// Everything that waits fails the test after Timeout.
package processortest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

// Timeout guards against hanging; nothing that works comes near it.
const Timeout = 40 * time.Second

// Rig is a NATS with everything that the API has on it.
type Rig struct {
	Broker  *broker.Broker
	Queue   *queue.Queue
	Control *control.Store
	Store   *store.Store
	Jobs    *jobs.Service

	t testing.TB
}

// New returns a rig on an embedded NATS of its own.
func New(t testing.TB, options ...func(*broker.Config)) *Rig {
	t.Helper()
	return On(t, brokertest.Start(t, options...))
}

// On returns a rig on an open broker.
func On(t testing.TB, b *broker.Broker) *Rig {
	t.Helper()
	q, err := queue.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	c, err := control.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return &Rig{t: t, Broker: b, Queue: q, Control: c, Store: s, Jobs: jobs.New(b, q, s)}
}

// Dial connects to a NATS with a port as a standalone worker does.
func Dial(t testing.TB, url string) *broker.Broker {
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

// Eventually waits until holds returns true.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	guard := time.NewTimer(Timeout)
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

// Eventually waits until holds returns true.
func (r *Rig) Eventually(what string, holds func() bool) {
	r.t.Helper()
	Eventually(r.t, what, holds)
}

// Start runs a processor on the rig's own connection until the test ends.
func (r *Rig) Start(g processor.Generator, options ...func(*processor.Config)) *Worker {
	r.t.Helper()
	return StartOn(r.t, r.Broker, g, options...)
}

// Submit submits the job that NewSpec returns.
func (r *Rig) Submit(kind job.Kind, options ...SpecOption) *job.Spec {
	r.t.Helper()
	s := NewSpec(r.t, kind, options...)
	if _, _, err := r.Jobs.Enqueue(r.t.Context(), s, false); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// WaitRecord waits until a job has its terminal record.
func (r *Rig) WaitRecord(s *job.Spec) *job.Record {
	r.t.Helper()
	var record *job.Record
	r.Eventually("the job ends", func() bool {
		var err error
		record, err = r.Store.RecordLeader(r.t.Context(), s.Owner, s.ID)
		return err == nil
	})
	return record
}

// WaitSettled waits until nothing of a job is left but its terminal record.
func (r *Rig) WaitSettled(s *job.Spec) *job.Record {
	r.t.Helper()
	r.WaitRecord(s)
	r.Eventually("the job leaves the queue", func() bool { return !r.Queued(s) })
	r.Eventually("the progress is deleted", func() bool { return r.Progress(s) == nil })
	record, err := r.Store.RecordLeader(r.t.Context(), s.Owner, s.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return record
}

// Queued reports whether a job is in the queue.
func (r *Rig) Queued(s *job.Spec) bool {
	_, err := r.Queue.FindLeader(r.t.Context(), s.Owner, s.ID)
	return !errors.Is(err, queue.ErrNotFound)
}

// Progress returns the job's progress, nil when there is none.
func (r *Rig) Progress(s *job.Spec) *job.Progress {
	p, _, err := r.Store.ProgressLeader(r.t.Context(), s.Owner, s.ID)
	if err != nil {
		return nil
	}
	return p
}

// WaitProgress waits for a progress that matches.
func (r *Rig) WaitProgress(s *job.Spec, what string, matches func(*job.Progress) bool) *job.Progress {
	r.t.Helper()
	var p *job.Progress
	r.Eventually(what, func() bool {
		p = r.Progress(s)
		return p != nil && matches(p)
	})
	return p
}

// Media returns the bytes of one of a job's media.
func (r *Rig) Media(s *job.Spec, index int) []byte {
	r.t.Helper()
	m, err := r.Store.OpenMedia(r.t.Context(), s.Owner, s.ID, index)
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := io.ReadAll(m)
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// LastMessage returns the last message on a subject, nil when there is none.
func (r *Rig) LastMessage(stream, subject string) *jetstream.RawStreamMsg {
	r.t.Helper()
	msg, err := broker.LeaderLast(r.t.Context(), r.Broker.JetStream(), stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return msg
}

// DeadLetter returns the job's dead letter, nil when there is none.
func (r *Rig) DeadLetter(s *job.Spec) *job.DeadLetter {
	r.t.Helper()
	msg := r.LastMessage(broker.StreamDead, broker.DeadSubject(s.Kind, s.Owner, s.ID))
	if msg == nil {
		return nil
	}
	d, err := job.DecodeDeadLetter(msg.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	return d
}

// Redeliver takes a job and gives it back n times, so that its next delivery is number n+1.
func (r *Rig) Redeliver(s *job.Spec, n int) {
	r.t.Helper()
	lane, err := r.Queue.Lane(r.t.Context(), s.Kind, s.Lane)
	if err != nil {
		r.t.Fatal(err)
	}
	puller, err := r.Queue.Puller()
	if err != nil {
		r.t.Fatal(err)
	}
	defer puller.Close()
	for range n {
		d, err := puller.Pull(lane, 5*time.Second)
		if err != nil || d == nil || d.ID != s.ID {
			r.t.Fatalf("took %+v, %v", d, err)
		}
		if err := d.Nak(); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := r.Broker.Conn().Flush(); err != nil {
		r.t.Fatal(err)
	}
}

// Circuit returns the circuit breaker of an upstream.
func (r *Rig) Circuit(upstream string) control.Circuit {
	r.t.Helper()
	c := r.control()
	defer c.Stop()
	return c.View().Circuit(upstream)
}

// OpenCircuit opens the circuit breaker of an upstream; one job may probe it at once.
func (r *Rig) OpenCircuit(upstream string) {
	r.t.Helper()
	c := r.control()
	defer c.Stop()
	_, _, err := c.Trip(r.t.Context(), control.Trip{
		Upstream: upstream, Code: job.CodeUnavailable, Pause: func(int) time.Duration { return time.Millisecond },
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// control returns a started view of circuit breakers and pauses; the caller stops it.
func (r *Rig) control() *control.Controller {
	r.t.Helper()
	c := control.NewController(r.Control, nil, nil)
	if err := c.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return c
}
