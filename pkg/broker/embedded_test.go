package broker_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestSync checks the options of the running server: a 202 means that the job is on the disk.
func TestSync(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]struct {
		durability broker.Durability
		interval   time.Duration
	}{
		"":       {broker.DurableGroup, time.Second},
		"always": {broker.DurableGroup, time.Second},
		"90s":    {broker.DurableInterval, 90 * time.Second},
		"1s":     {broker.DurableInterval, time.Second},
	} {
		t.Run("setting "+setting, func(t *testing.T) {
			t.Parallel()
			cfg := brokertest.Config(t)
			cfg.Sync = setting
			brokertest.GroupCommit(&cfg)
			b := brokertest.MustOpen(t, cfg)
			if mode, _ := b.Durability(); mode != want.durability {
				t.Errorf("writes are durable by %s, want %s", mode, want.durability)
			}
			got := b.Server().JetStreamConfig()
			if got == nil || got.SyncAlways || got.SyncInterval != want.interval {
				t.Errorf("%+v, want a sync every %s", got, want.interval)
			}
			if !strings.HasPrefix(got.StoreDir, cfg.DataDir) {
				t.Errorf("stored in %s, outside of %s", got.StoreDir, cfg.DataDir)
			}
		})
	}
}

// TestStopSyncs checks that a stop syncs the store, also one that was written without a sync of each write, unless a test does
// without.
func TestStopSyncs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setting string
		without bool
		want    bool
	}{
		"interval":                   {"1m", false, true},
		"interval, without at stops": {"1m", true, false},
		"always, without at stops":   {"always", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, syncs := brokertest.Config(t), &stopSyncs{}
			cfg.Sync, cfg.SyncObserver = c.setting, syncs
			cfg.SetHooks(func(h *hooks.Hooks) { h.GroupCommit, h.NoStopSync = true, c.without })
			b := brokertest.MustOpen(t, cfg)
			before := syncs.Load()
			brokertest.Close(t, b)
			if n := syncs.Load() - before; (n > 0) != c.want {
				t.Errorf("%d fsyncs", n)
			}
		})
	}
}

// stopSyncs counts fsyncs.
type stopSyncs struct{ atomic.Int64 }

func (s *stopSyncs) ObserveSync(string, string, int64, time.Duration) { s.Add(1) }

func TestEmbeddedOpensNoPort(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	if addr := b.Server().Addr(); addr != nil {
		t.Errorf("the server listens on %s", addr)
	}
	if url := b.ClientURL(); url != "" {
		t.Errorf("client URL %q", url)
	}
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSecondProcessFails(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	first := brokertest.MustOpen(t, cfg)
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "guest", "kept")
	if _, err := first.JetStream().Publish(t.Context(), subject, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := brokertest.Open(t, cfg, newLines())
		if !errors.Is(err, broker.ErrInUse) {
			t.Fatalf("a second open: %v, want ErrInUse", err)
		}
		for _, word := range []string{fmt.Sprintf("process %d", os.Getpid()), cfg.DataDir} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not name %q", err, word)
			}
		}
		if err := first.Check(t.Context()); err != nil {
			t.Fatalf("the first one after the second: %v", err)
		}
	}

	brokertest.Close(t, first)
	again := brokertest.MustOpen(t, cfg)
	msg, err := broker.LeaderLast(t.Context(), again.JetStream(), broker.StreamJobs, subject)
	if err != nil || string(msg.Data) != "x" {
		t.Errorf("after a restart: %v, %v", msg, err)
	}
}

func TestListenNamesAddressInUse(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	cfg := brokertest.Config(t)
	cfg.Listen = listener.Addr().String()
	_, err = brokertest.Open(t, cfg, newLines())
	if err == nil || !strings.Contains(err.Error(), "NATS_LISTEN: ") || !strings.Contains(err.Error(), cfg.Listen) {
		t.Errorf("got %v", err)
	}
}

func TestListenOnLoopback(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	cfg.Listen = "127.0.0.1:0"
	b := brokertest.MustOpen(t, cfg)
	addr, ok := b.Server().Addr().(*net.TCPAddr)
	if !ok || !addr.IP.IsLoopback() {
		t.Fatalf("listens on %v", b.Server().Addr())
	}
	worker := brokertest.MustOpen(t, broker.Config{URL: env.Secret(b.ClientURL()), Follower: true})
	if err := worker.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if worker.ClientURL() != "" || worker.Config().Embedded() {
		t.Error("a worker regards the server as its own")
	}
}

func TestListenEnforcesCredentials(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	cfg.Listen, cfg.ListenUser, cfg.ListenPassword = "127.0.0.1:0", "worker", "sesame"
	b := brokertest.MustOpen(t, cfg)
	if strings.Contains(b.ClientURL(), "sesame") {
		t.Errorf("the URL contains the password: %s", b.ClientURL())
	}
	for name, c := range map[string]struct {
		opts []nats.Option
		ok   bool
	}{
		"none":  {nil, false},
		"wrong": {[]nats.Option{nats.UserInfo("worker", "guess")}, false},
		"right": {[]nats.Option{nats.UserInfo("worker", "sesame")}, true},
	} {
		nc, err := nats.Connect(b.ClientURL(), c.opts...)
		if (err == nil) != c.ok {
			t.Errorf("%s credentials: %v", name, err)
		}
		if err == nil {
			nc.Close()
		}
	}
	// The process itself needs the credentials too.
	if err := b.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestListenOnTakenPort(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	cfg := brokertest.Config(t)
	cfg.Listen = srv.Addr().String()
	started := time.Now()
	_, err := brokertest.Open(t, cfg, newLines())
	if err == nil || !strings.Contains(err.Error(), cfg.Listen) {
		t.Fatalf("opened on a taken port: %v, want an error that names %s", err, cfg.Listen)
	}
	if time.Since(started) > hang {
		t.Errorf("the failure took %s", time.Since(started))
	}
	// The directory is unlocked after the failure.
	cfg.Listen = ""
	brokertest.MustOpen(t, cfg)
}

func TestCloseIsIdempotent(t *testing.T) {
	t.Parallel()
	b := brokertest.MustOpen(t, brokertest.Config(t))
	for range 3 {
		brokertest.Close(t, b)
	}
	if err := b.Check(t.Context()); err == nil {
		t.Error("a closed broker passes Check")
	}
	if _, err := b.JetStream().Publish(t.Context(), "jobs.a.b.c.d", nil); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("publish on a closed broker: %v", err)
	}
}

func TestLeaderLast(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]func(*broker.Config){
		"embedded": nil,
		"external": {func(c *broker.Config) { c.URL = env.Secret(brokertest.StartServer(t).ClientURL()) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testLeaderLast(t, brokertest.Start(t, options...).JetStream())
		})
	}
}

func testLeaderLast(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	exact := broker.JobSubject(job.KindAudio, job.LaneMember, "u1", "j1")
	if _, err := broker.LeaderLast(t.Context(), js, broker.StreamJobs, exact); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("no message: %v", err)
	}
	ack, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: exact, Data: []byte("body"), Header: nats.Header{"K": {"v"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{exact, broker.AnyJobSubject("u1", "j1")} {
		msg, err := broker.LeaderLast(t.Context(), js, broker.StreamJobs, subject)
		if err != nil {
			t.Fatal(err)
		}
		if msg.Subject != exact || msg.Sequence != ack.Sequence || string(msg.Data) != "body" || msg.Header.Get("K") != "v" ||
			msg.Time.IsZero() {
			t.Errorf("%+v", msg)
		}
	}
	bare := broker.JobSubject(job.KindAudio, job.LaneMember, "u1", "j2")
	if _, err := js.Publish(t.Context(), bare, nil); err != nil {
		t.Fatal(err)
	}
	if msg, err := broker.LeaderLast(t.Context(), js, broker.StreamJobs, bare); err != nil || len(msg.Data) > 0 || msg.Header != nil {
		t.Errorf("an empty message: %+v, %v", msg, err)
	}
	if msg, err := broker.LeaderLast(t.Context(), js, broker.StreamJobs, broker.OwnerJobsSubject("u1")); err != nil || msg.Subject != bare {
		t.Errorf("the last of two subjects: %+v, %v", msg, err)
	}
	if msg, err := broker.LeaderMessage(t.Context(), js, broker.StreamJobs, ack.Sequence); err != nil || msg.Subject != exact {
		t.Errorf("by sequence: %+v, %v", msg, err)
	}
	for _, sequence := range []uint64{ack.Sequence + 2, 4711} {
		_, err := broker.LeaderMessage(t.Context(), js, broker.StreamJobs, sequence)
		if !errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Errorf("no message at %d: %v", sequence, err)
		}
	}
	if _, err := broker.LeaderLast(t.Context(), js, "NONE", exact); err == nil || errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("no such stream: %v", err)
	}
}

// TestServerLinesAreNotRepeated logs the same error for every write, as the embedded server does when the disk is full.
func TestServerLinesAreNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		lines := broker.ServerLog(slog.New(slog.NewTextHandler(&out, nil)))
		for range 1000 {
			lines.Errorf("no space left on %s", "device")
			lines.Warnf("something else")
		}
		if got := strings.Count(out.String(), "\n"); got != 2 {
			t.Errorf("%d lines", got)
		}
		time.Sleep(time.Hour)
		lines.Errorf("no space left on %s", "device")
		if got := strings.Count(out.String(), "no space"); got != 2 {
			t.Errorf("an hour later it is logged %d times in all", got)
		}
	})
}
