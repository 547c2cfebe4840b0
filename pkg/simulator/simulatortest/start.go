// Package simulatortest runs a simulator for the length of a test.
//
// It owns nothing but that: starting, stopping and failing the test when
// either goes wrong. It never leaves a listener or a goroutine behind.
package simulatortest

import (
	"context"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// stopWithin bounds the end of a simulator; it is a guard against hanging.
const stopWithin = 30 * time.Second

// Start runs a simulator that answers at once and stops it at the end of the
// test. It fails the test when the port cannot be opened.
func Start(tb testing.TB) *simulator.Simulator {
	tb.Helper()
	return StartWith(tb, simulator.Config{})
}

// StartWith is Start with a configuration of one's own.
func StartWith(tb testing.TB, config simulator.Config) *simulator.Simulator {
	tb.Helper()
	s := simulator.New(config)
	if err := s.Start(tb.Context(), ""); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Script adds rules and fails the test when one is not valid.
func Script(tb testing.TB, s *simulator.Simulator, rules ...simulator.Rule) {
	tb.Helper()
	if err := s.Script(rules...); err != nil {
		tb.Fatal(err)
	}
}

// WaitCalls waits until n calls of a kind have arrived and fails the test
// when they do not within half a minute.
func WaitCalls(tb testing.TB, s *simulator.Simulator, kind simulator.Kind, n int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), stopWithin)
	defer cancel()
	if err := s.WaitCalls(ctx, kind, n); err != nil {
		tb.Fatal(err)
	}
}

// WaitHeld waits until n requests or generations are held at once and fails
// the test when they are not within half a minute.
func WaitHeld(tb testing.TB, s *simulator.Simulator, n int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), stopWithin)
	defer cancel()
	if err := s.WaitHeld(ctx, n); err != nil {
		tb.Fatal(err)
	}
}

// WaitFinished waits until n calls of a kind have ended and fails the test
// when they do not within half a minute.
func WaitFinished(tb testing.TB, s *simulator.Simulator, kind simulator.Kind, n int) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), stopWithin)
	defer cancel()
	if err := s.WaitFinished(ctx, kind, n); err != nil {
		tb.Fatal(err)
	}
}
