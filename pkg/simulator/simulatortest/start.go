// Package simulatortest runs a simulator for the duration of a test. It starts and
// stops it, and fails the test when an operation does not succeed in time. It leaves
// no listener or goroutine behind.
package simulatortest

import (
	"context"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// timeout guards against hanging.
const timeout = 2 * time.Minute

// Start runs a simulator without latency until the end of the test. It fails the
// test if the port cannot be opened.
func Start(tb testing.TB) *simulator.Simulator {
	tb.Helper()
	return StartWith(tb, simulator.Config{})
}

// StartWith is Start with a configuration.
func StartWith(tb testing.TB, config simulator.Config) *simulator.Simulator {
	tb.Helper()
	s := simulator.New(config)
	if err := s.Start(tb.Context(), ""); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Script adds rules and fails the test if one is invalid.
func Script(tb testing.TB, s *simulator.Simulator, rules ...simulator.Rule) {
	tb.Helper()
	if err := s.Script(rules...); err != nil {
		tb.Fatal(err)
	}
}

// WaitCalls waits until n calls of a kind have arrived. It fails the test after
// half a minute.
func WaitCalls(tb testing.TB, s *simulator.Simulator, kind simulator.Kind, n int) {
	tb.Helper()
	wait(tb, func(ctx context.Context) error { return s.WaitCalls(ctx, kind, n) })
}

// WaitHeld waits until n requests or generations are held. It fails the test after
// half a minute.
func WaitHeld(tb testing.TB, s *simulator.Simulator, n int) {
	tb.Helper()
	wait(tb, func(ctx context.Context) error { return s.WaitHeld(ctx, n) })
}

// WaitFinished waits until n calls of a kind have ended. It fails the test after
// half a minute.
func WaitFinished(tb testing.TB, s *simulator.Simulator, kind simulator.Kind, n int) {
	tb.Helper()
	wait(tb, func(ctx context.Context) error { return s.WaitFinished(ctx, kind, n) })
}

func wait(tb testing.TB, until func(context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	if err := until(ctx); err != nil {
		tb.Fatal(err)
	}
}
