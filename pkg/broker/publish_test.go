package broker_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestPublishWhoseConnectionIsLost checks that a publish without an answer fails with its connection, and not only at its
// deadline, and that the next one waits for the new connection.
func TestPublishWhoseConnectionIsLost(t *testing.T) {
	t.Parallel()
	near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	cutter := brokertest.NewCutter(t, strings.TrimPrefix(near.ClientURL(), "nats://"))
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret("nats://"+cutter.Addr), true })
	publish := func(id string) error {
		ctx, cancel := context.WithTimeout(t.Context(), hang)
		defer cancel()
		_, err := far.JetStream().Publish(ctx, broker.JobSubject(job.KindImage, job.LaneGuest, "owner", id), []byte("{}"))
		return err
	}
	cutter.Armed.Store(true)
	if err := publish("j1"); !errors.Is(err, nats.ErrDisconnected) || !broker.Unavailable(err) {
		t.Errorf("got %v", err)
	}
	if err := publish("j2"); err != nil {
		t.Errorf("after the connection was lost: %v", err)
	}
}

// TestPublishWhoseConnectionIsClosed closes the connection while a publish waits for its acknowledgement.
func TestPublishWhoseConnectionIsClosed(t *testing.T) {
	t.Parallel()
	near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	wire := brokertest.NewWire(t, near.ClientURL())
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(wire.URL), true })
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "owner", "j1")
	sent, never := make(chan struct{}), make(chan struct{})
	wire.Hold(func(m brokertest.Message) <-chan struct{} {
		if m.Subject != subject {
			return nil
		}
		close(sent)
		return never
	})
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := far.JetStream().Publish(ctx, subject, []byte("{}"))
		failed <- err
	}()
	<-sent
	far.Conn().Close()
	if err := result(t, failed); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("got %v", err)
	}
}

func TestPurge(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) *broker.Broker{
		"embedded": func(t *testing.T) *broker.Broker { t.Helper(); return brokertest.Start(t) },
		"cluster":  func(t *testing.T) *broker.Broker { t.Helper(); return brokertest.StartCluster(t).Open() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			purged, kept := broker.ProgressSubject("owner", "j1"), broker.ProgressSubject("owner", "j2")
			for _, subject := range []string{purged, kept} {
				if _, err := b.JetStream().Publish(t.Context(), subject, []byte("{}")); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Purge(broker.ProgressStream, purged); err != nil {
				t.Fatal(err)
			}
			last := func(subject string) error {
				_, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.ProgressStream, subject)
				return err
			}
			for deadline := time.Now().Add(hang); !errors.Is(last(purged), jetstream.ErrMsgNotFound); {
				if time.Now().After(deadline) {
					t.Fatal("the message is still there")
				}
				runtime.Gosched()
			}
			if err := last(kept); err != nil {
				t.Errorf("another message: %v", err)
			}
		})
	}
}
