package catalogue_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// throughProxy returns two brokers that are connected to one NATS server, far through a proxy.
func throughProxy(t *testing.T) (far, near *broker.Broker, line *proxy.Proxy) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("NATS did not start")
	}
	if line, err = proxy.Listen(t.Context(), s.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	to := func(address string) func(*broker.Config) {
		return func(c *broker.Config) { c.URL = env.Secret("nats://" + address) }
	}
	near = brokertest.Start(t, to(s.Addr().String()))
	far = brokertest.Start(t, to(line.Addr()))
	// Remove the faults so that the broker can close.
	t.Cleanup(func() { line.Set(proxy.Faults{}) })
	return far, near, line
}

// live returns a live catalogue on a broker.
func live(t *testing.T, b *broker.Broker, options ...catalogue.Option) *catalogue.Live {
	t.Helper()
	l, err := catalogue.NewLive(t.Context(), b, slog.New(slog.DiscardHandler), options...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func lists(name string) *job.Catalogue {
	return &job.Catalogue{Images: []job.Model{{Name: name}}}
}

// TestCurrentWithSlowNATS calls Current many times while NATS does not respond: all calls return the previous catalogue, and one
// request is sent.
func TestCurrentWithSlowNATS(t *testing.T) {
	t.Parallel()
	far, near, line := throughProxy(t)
	now := clocktest.New(time.Now())
	reader := live(t, far, catalogue.WithClock(now.Now))
	worker := live(t, near, catalogue.WithClock(now.Now))
	worker.Current(t.Context())
	if err := worker.Publish(t.Context(), lists("first")); err != nil {
		t.Fatal(err)
	}
	if got := reader.Current(t.Context()); got.Source != job.SourceUpstream || got.Images[0].Name != "first" {
		t.Fatalf("before the fault: %+v", got.Images[0])
	}

	line.Set(proxy.Faults{HoldRequests: true})
	now.Advance(time.Minute)
	before := far.Conn().Stats().OutMsgs
	begun := time.Now()
	// Sequential calls, so that waits would add up.
	for range 100 {
		if got := reader.Current(t.Context()); got.Images[0].Name != "first" {
			t.Fatalf("during the fault: %+v", got.Images[0])
		}
	}
	if took := time.Since(begun); took > 900*time.Millisecond {
		t.Errorf("100 calls took %s", took)
	}
	if requests := far.Conn().Stats().OutMsgs - before; requests != 1 {
		t.Errorf("%d requests, want 1", requests)
	}

	// A caller that disconnects does not keep the others from the new catalogue.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	now.Advance(time.Minute)
	reader.Current(gone)
	if err := worker.Publish(t.Context(), lists("second")); err != nil {
		t.Fatal(err)
	}
	line.Set(proxy.Faults{})
	// Advance the clock slowly enough that the catalogue does not become stale meanwhile.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.After(time.Minute); reader.Current(t.Context()).Images[0].Name != "second"; now.Advance(6 * time.Second) {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatal("the published catalogue was never read")
		}
	}
}

// TestConcurrentCallersShareARead calls Current concurrently before the catalogue was read.
func TestConcurrentCallersShareARead(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	worker := live(t, b)
	if err := worker.Publish(t.Context(), lists("first")); err != nil {
		t.Fatal(err)
	}
	reader := live(t, b)
	before := b.Conn().Stats().OutMsgs
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if got := reader.Current(t.Context()); got.Images[0].Name != "first" {
				t.Errorf("got %+v", got.Images[0])
			}
		})
	}
	group.Wait()
	if requests := b.Conn().Stats().OutMsgs - before; requests != 1 {
		t.Errorf("%d requests, want 1", requests)
	}
}

// TestPublishTakesEffectAtOnce publishes during concurrent reads, whose results must not replace the published catalogue.
func TestPublishTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	now := clocktest.New(time.Now())
	worker := live(t, b, catalogue.WithClock(now.Now))
	worker.Current(t.Context())
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					now.Advance(time.Second)
					worker.Current(t.Context())
				}
			}
		})
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		if err := worker.Publish(t.Context(), lists(name)); err != nil {
			t.Error(err)
			break
		}
		if got := worker.Current(t.Context()); got.Images[0].Name != name {
			t.Errorf("published %s, current is %s", name, got.Images[0].Name)
		}
	}
	close(stop)
	readers.Wait()
}
