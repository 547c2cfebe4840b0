package jobs_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// clock is an adjustable clock.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time      { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) set(d time.Duration) { c.ahead.Store(int64(d)) }

// spy counts the messages on a subject that contain a text.
func (r *rig) spy(t testing.TB, subject, text string) *atomic.Int64 {
	t.Helper()
	var n atomic.Int64
	sub, err := r.broker.Conn().Subscribe(subject, func(m *nats.Msg) {
		if bytes.Contains(m.Data, []byte(text)) {
			n.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return &n
}

// TestClockJumps sets the clock two hours forward and back. Exactly the jobs that were due have ended, once, and the interval of
// the sweeper does not change.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	r := start(t)
	var c clock
	r.SetNow(c.now)
	ends, sweeps := r.ends(t), r.spy(t, "$JS.API.STREAM.INFO."+broker.StreamJobs, "")
	start := time.Now()
	s := r.sweep(t)
	passes := func(more int64) {
		t.Helper()
		want := sweeps.Load() + more
		eventually(t, "the sweeper sweeps", func() bool { return sweeps.Load() >= want })
	}
	soon := []*job.Spec{r.due(t, time.Hour), r.due(t, time.Hour)}
	later := r.due(t, 3*time.Hour)
	passes(5)
	ends.none(t, r.broker)

	c.set(2 * time.Hour)
	for range soon {
		if record := ends.next(t); record.Spec.ID == later.ID || record.Error.Code != job.CodeDeadline {
			t.Errorf("%+v", record)
		}
	}
	c.set(0)
	fresh := r.due(t, time.Hour)
	passes(20)
	for _, spec := range soon {
		if got := r.read(t, spec).Status(); got != job.StatusFailed {
			t.Errorf("a job that had ended is %s", got)
		}
		r.settled(t, spec)
	}
	for _, spec := range []*job.Spec{later, fresh} {
		if got := r.read(t, spec).Status(); got != job.StatusQueued {
			t.Errorf("a job with time left is %s", got)
		}
	}
	ends.none(t, r.broker)
	c.set(-2 * time.Hour)
	passes(20)
	ends.none(t, r.broker)
	c.set(4 * time.Hour)
	for range 2 {
		ends.next(t)
	}
	if most := int64(time.Since(start)/interval) + 1; sweeps.Load() > most {
		t.Errorf("swept %d times, want at most %d", sweeps.Load(), most)
	}
	if n := s.log.count("level=WARN"); n != 0 {
		t.Errorf("%d warnings", n)
	}
}

// TestClockIsSetBackMeanwhile sets the clock back after the sweeper has found an expired job and before it ends it.
func TestClockIsSetBackMeanwhile(t *testing.T) {
	t.Parallel()
	r := start(t)
	var jumps, calls atomic.Int64
	r.SetNow(func() time.Time {
		calls.Add(1)
		if jumps.Add(-1) >= 0 {
			return time.Now().Add(2 * time.Hour)
		}
		return time.Now()
	})
	ends := r.ends(t)
	reads := r.spy(t, "$JS.API.STREAM.MSG.GET."+broker.StreamJobs, "")
	r.due(t, time.Hour)
	r.sweep(t)
	eventually(t, "the sweeper sweeps", func() bool { return calls.Load() > 0 })
	for range 3 {
		jumps.Store(1)
		want := calls.Load() + 5
		eventually(t, "the sweeper continues", func() bool { return calls.Load() >= want })
	}
	if reads.Load() == 0 {
		t.Error("the job was never found")
	}
	ends.none(t, r.broker)
	jumps.Store(1000)
	ends.next(t)
	ends.none(t, r.broker)
}

// TestSweepAfterRestart ends the jobs submitted before a restart, whether the process has released its lease or not.
func TestSweepAfterRestart(t *testing.T) {
	t.Parallel()
	hold := func(s *jobs.Sweeper) { s.SetHold(time.Second) }
	for name, died := range map[string]bool{"stopped": false, "died": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := brokertest.Config(t)
			var first *broker.Broker
			open := func() *broker.Broker {
				b, err := broker.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			shut := func(b *broker.Broker) {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
				defer cancel()
				if err := b.Close(ctx); err != nil {
					t.Error(err)
				}
			}
			first = open()
			one := on(t, first)
			before := one.sweep(t, hold)
			eventually(t, "the first leads", func() bool { return before.leads(t) })
			spec := one.due(t, 200*time.Millisecond)
			if died {
				first.Conn().Close()
			}
			before.halt(t)
			shut(first)

			second := open()
			defer shut(second)
			two := on(t, second)
			ends := two.ends(t)
			after := two.sweep(t, hold)
			defer after.halt(t)
			if record := ends.next(t); record.Spec.ID != spec.ID {
				t.Errorf("%s ended", record.Spec.ID)
			}
			two.settled(t, spec)
		})
	}
}

// outsider is an external NATS server.
type outsider struct {
	opts server.Options
	srv  *server.Server
}

func (o *outsider) up(t testing.TB) {
	t.Helper()
	opts := o.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(hang) {
		t.Fatal("the server did not start")
	}
	o.srv, o.opts.Port = srv, opts.Port
}

func (o *outsider) down() {
	o.srv.Shutdown()
	o.srv.WaitForShutdown()
}

// TestSweepWithoutNATS stops NATS and starts it again, once with its data and once without.
func TestSweepWithoutNATS(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]bool{"as it was": false, "empty": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &outsider{opts: server.Options{
				Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
			}}
			o.up(t)
			t.Cleanup(func() { o.down() })
			dial := func(c *broker.Config) { c.URL = env.Secret(o.srv.ClientURL()) }
			r := start(t, dial)
			s := r.sweep(t, func(s *jobs.Sweeper) { s.SetHold(time.Second) })
			eventually(t, "it leads", func() bool { return s.leads(t) })
			spec := r.due(t, time.Hour)
			for range 20 {
				r.due(t, time.Hour)
			}
			o.down()
			eventually(t, "it logs the failure", func() bool { return s.log.count("cannot find or end jobs past their deadline") == 1 })
			if empty {
				o.opts.StoreDir = t.TempDir()
			}
			o.up(t)
			eventually(t, "the connection is back", r.broker.Conn().IsConnected)
			// Another process declares what is missing: progress is stored in memory and is lost.
			brokertest.Start(t, dial)
			ends := r.ends(t)
			late := r.due(t, 0)
			if record := ends.next(t); record.Spec.ID != late.ID || record.Spec.ID == spec.ID {
				t.Errorf("%s ended", record.Spec.ID)
			}
			eventually(t, "it logs the recovery", func() bool { return s.log.count(`level=INFO msg="jobs past their deadline can be ended again`) == 1 })
			if n := s.log.count("level=WARN"); n != 1 {
				t.Errorf("%d lines: %s", n, strings.TrimSpace(s.log.buf.String()))
			}
		})
	}
}
