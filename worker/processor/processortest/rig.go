// Package processortest provides what a test of a worker needs: a real NATS with the queue, the store and the service of
// jobs, processors that run until the test ends, and a Generator that calls a function of the test.
//
// Every function that waits fails the test after Timeout.
package processortest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

// Timeout bounds every wait. It is much longer than any wait of a passing test.
const Timeout = 40 * time.Second

// Rig is a NATS with the stores and services of an API process.
type Rig struct {
	*jobstest.Rig
	Control *control.Store
	// Watched and Busy are those of the workers that StartInside starts.
	Watched func(owner, id string) bool
	Busy    func() bool

	t testing.TB
}

// New returns a rig on its own embedded NATS.
func New(t testing.TB, options ...func(*broker.Config)) *Rig {
	t.Helper()
	return On(t, brokertest.Start(t, options...))
}

// On returns a rig on an open broker.
func On(t testing.TB, b *broker.Broker) *Rig {
	t.Helper()
	c, err := control.Open(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return &Rig{Rig: jobstest.On(t, b), Control: c, t: t}
}

// Dial connects to a NATS by its URL, as a standalone worker does.
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

// Eventually waits until condition returns true. The message says what should become true.
func Eventually(t testing.TB, message string, condition func() bool) {
	t.Helper()
	guard := time.NewTimer(Timeout)
	defer guard.Stop()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for !condition() {
		select {
		case <-retry.C:
		case <-guard.C:
			t.Fatalf("never: %s", message)
		}
	}
}

// Eventually waits until condition returns true. The message says what should become true.
func (r *Rig) Eventually(message string, condition func() bool) {
	r.t.Helper()
	Eventually(r.t, message, condition)
}

// Start runs a processor on the rig's own connection until the test ends.
func (r *Rig) Start(g processor.Generator, options ...func(*processor.Config)) *Worker {
	r.t.Helper()
	return StartOn(r.t, r.Broker, g, options...)
}

// Submit submits a job that NewSpec returns.
func (r *Rig) Submit(kind job.Kind, options ...SpecOption) *job.Spec {
	r.t.Helper()
	s := NewSpec(r.t, kind, options...)
	if _, _, err := r.Jobs.Enqueue(r.t.Context(), s, false); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// WaitRecord waits until a job has its terminal record, and returns it.
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

// WaitSettled waits until a job is removed from the queue and its progress is deleted, and returns its terminal record.
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

// Progress returns the job's progress, nil if there is none.
func (r *Rig) Progress(s *job.Spec) *job.Progress {
	p, _, err := r.Store.ProgressLeader(r.t.Context(), s.Owner, s.ID)
	if err != nil {
		return nil
	}
	return p
}

// WaitProgress waits for a progress that matches, and returns it.
func (r *Rig) WaitProgress(s *job.Spec, message string, matches func(*job.Progress) bool) *job.Progress {
	r.t.Helper()
	var p *job.Progress
	r.Eventually(message, func() bool {
		p = r.Progress(s)
		return p != nil && matches(p)
	})
	return p
}

// Media returns the bytes of a medium of a job that has ended.
func (r *Rig) Media(s *job.Spec, index int) []byte {
	r.t.Helper()
	media := r.WaitRecord(s).Result.Media
	at := slices.IndexFunc(media, func(m job.Media) bool { return m.Index == index })
	if at < 0 {
		r.t.Fatalf("the result has no medium %d: %+v", index, media)
	}
	content, err := r.Store.OpenMedia(r.t.Context(), s.Owner, s.ID, media[at])
	if err != nil {
		r.t.Fatal(err)
	}
	data, err := io.ReadAll(content)
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// LastMessage returns the last message on a subject, nil if there is none.
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

// DeadLetter returns the job's dead letter, nil if there is none.
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

// Redeliver fetches a job and returns it to the queue n times, so that its next delivery is number n+1.
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
			r.t.Fatalf("got %+v, %v, want job %s", d, err, s.ID)
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
	c := r.control(upstream)
	defer c.Stop()
	return c.View().Circuit(upstream)
}

// OpenCircuit opens the circuit breaker of an upstream; a job may probe it at once.
func (r *Rig) OpenCircuit(upstream string) {
	r.t.Helper()
	c := r.control(upstream)
	defer c.Stop()
	_, _, err := c.Trip(r.t.Context(), control.Trip{
		Upstream: upstream, Code: job.CodeUnavailable, Pause: func(int) time.Duration { return time.Millisecond },
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// control returns a started view of circuit breakers and pauses; the caller stops it.
func (r *Rig) control(providers ...string) *control.Controller {
	r.t.Helper()
	c := control.NewController(r.Control, nil, nil)
	c.Providers(providers)
	if err := c.Start(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return c
}
