package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// fakeBroker returns fixed values.
type fakeBroker struct {
	connected  bool
	reconnects uint64
	check      func(context.Context) error
}

func (c fakeBroker) Connection() (connected bool, reconnects uint64) {
	return c.connected, c.reconnects
}

func (c fakeBroker) Check(ctx context.Context) error {
	if c.check == nil {
		return nil
	}
	return c.check(ctx)
}

// TestBrokerMetrics covers a process that waits for NATS at its start, and one whose NATS does not respond.
func TestBrokerMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := telemetry.NewMetrics()
		expect := func(lines ...string) {
			t.Helper()
			got := exposition(t, m)
			for _, line := range lines {
				if !strings.Contains(got, "\ntext2image_"+line+"\n") {
					t.Errorf("no %q in:\n%s", line, got)
				}
			}
		}
		expect("nats_connected 0", "ready 0", "nats_reconnects_total 0")
		m.SetBroker(fakeBroker{connected: true, reconnects: 3})
		expect("nats_connected 1", "ready 1", "nats_reconnects_total 3")
		m.SetBroker(fakeBroker{connected: true, check: func(context.Context) error { return errors.New("the disk is full") }})
		expect("nats_connected 1", "ready 0")
		m.SetBroker(fakeBroker{connected: true, check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		expect("nats_connected 1", "ready 0")
	})
}

// TestStoreReadingIsCached also checks that a failed reading is not cached.
func TestStoreReadingIsCached(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := telemetry.NewMetrics()
		var reads atomic.Int64
		var fail atomic.Bool
		if err := m.RegisterStore(func(context.Context) (telemetry.StoreSample, error) {
			if fail.Load() {
				return telemetry.StoreSample{}, errors.New("not connected")
			}
			return telemetry.StoreSample{FileBytes: uint64(reads.Add(1))}, nil
		}); err != nil {
			t.Fatal(err)
		}
		shown := func(value string) bool {
			return strings.Contains(exposition(t, m), `text2image_store_used_bytes{storage="file"} `+value+"\n")
		}
		for range 5 {
			if !shown("1") {
				t.Error("the first reading is not shown")
			}
			time.Sleep(time.Second)
		}
		time.Sleep(6 * time.Second)
		if !shown("2") {
			t.Error("the store was not read again")
		}
		fail.Store(true)
		time.Sleep(11 * time.Second)
		if got := exposition(t, m); strings.Contains(got, "store_used_bytes") {
			t.Errorf("an old reading is shown:\n%s", got)
		}
		fail.Store(false)
		if !shown("3") {
			t.Error("a failed reading was cached")
		}
	})
}
