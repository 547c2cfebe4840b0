package control_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestWaitingForAChangeEndsWithItsContext blocks one change, as when NATS does not answer: waiting changes end with their own
// contexts, and all within a few seconds.
func TestWaitingForAChangeEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	c := control.NewController(s, slog.New(slog.DiscardHandler), nil)
	trip := func(ctx context.Context, upstream string, pause func(int) time.Duration) error {
		_, _, err := c.Trip(ctx, control.Trip{Upstream: upstream, Code: job.CodeUnavailable, Pause: pause})
		return err
	}
	minute := func(int) time.Duration { return time.Minute }
	entered, resume, first := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first <- trip(t.Context(), job.UpstreamImage, func(int) time.Duration {
			close(entered)
			<-resume
			return time.Minute
		})
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	waiting := make(chan error, 2)
	go func() { waiting <- trip(ctx, job.UpstreamSpeech, minute) }()
	go func() { waiting <- trip(t.Context(), job.UpstreamLanguage, minute) }()
	for range cap(waiting) {
		select {
		case err := <-waiting:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want its deadline", err)
			}
		case <-time.After(hang):
			t.Error("it still waits")
		}
	}
	close(resume)
	if err := <-first; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the first: %v", err) // Its own deadline may have passed as well.
	}
	if err := trip(t.Context(), job.UpstreamSpeech, minute); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
