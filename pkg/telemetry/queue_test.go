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

// reads returns a read function that always returns value.
func reads[T any](value T) func(context.Context) (T, error) {
	return func(context.Context) (T, error) { return value, nil }
}

func TestFailedReadIsCountedAndOmitted(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	fail := errors.New("not connected")
	if err := m.RegisterQueue(func(context.Context) ([]telemetry.QueueSample, error) {
		return []telemetry.QueueSample{{Kind: "image"}}, fail
	}); err != nil {
		t.Fatal(err)
	}
	if err := m.RegisterDeadLetters(reads(4)); err != nil {
		t.Fatal(err)
	}
	exposition(t, m)
	got := exposition(t, m)
	if strings.Contains(got, "queue_depth") {
		t.Errorf("a failed read is shown:\n%s", got)
	}
	if !strings.Contains(got, "text2image_dead_letter_depth 4\n") {
		t.Errorf("another source is missing:\n%s", got)
	}
	// A scrape gathers its sources concurrently, so its own failure may or may not be
	// counted in it.
	if !strings.Contains(got, `text2image_scrape_errors_total{source="queue"} 1`) &&
		!strings.Contains(got, `text2image_scrape_errors_total{source="queue"} 2`) {
		t.Errorf("the failed reads were not counted once each:\n%s", got)
	}
	if !strings.Contains(got, `text2image_scrape_errors_total{source="dead_letters"} 0`) {
		t.Errorf("an error of the other source is counted:\n%s", got)
	}
}

func TestHangingReadDoesNotBlockTheScrape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := telemetry.NewMetrics()
		var started atomic.Int64
		release := make(chan struct{})
		if err := m.RegisterQueue(func(context.Context) ([]telemetry.QueueSample, error) {
			if started.Add(1) == 1 {
				<-release // It ignores its context.
			}
			return []telemetry.QueueSample{{Kind: "image", Lane: "member", Depth: 7}}, nil
		}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for range 3 {
			if got := exposition(t, m); strings.Contains(got, "queue_depth") {
				t.Errorf("a depth that was not read is shown:\n%s", got)
			}
		}
		if took := time.Since(begin); took != 6*time.Second {
			t.Errorf("three scrapes took %v, want two seconds each", took)
		}
		if n := started.Load(); n != 1 {
			t.Errorf("%d reads were started while one hung", n-1)
		}
		close(release)
		synctest.Wait()
		if got := exposition(t, m); !strings.Contains(got, "queue_depth{kind=\"image\",lane=\"member\"} 7\n") ||
			!strings.Contains(got, "text2image_scrape_errors_total{source=\"queue\"} 3\n") {
			t.Errorf("the queue did not come back, or the errors were not counted once each:\n%s", got)
		}
	})
}

func TestReadHasADeadline(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	var bounded bool
	if err := m.RegisterDeadLetters(func(ctx context.Context) (int, error) {
		_, bounded = ctx.Deadline()
		return 0, nil
	}); err != nil {
		t.Fatal(err)
	}
	if exposition(t, m); !bounded {
		t.Error("the read has no deadline")
	}
}

func TestRegisterQueueTwice(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	if err := m.RegisterQueue(reads[[]telemetry.QueueSample](nil)); err != nil {
		t.Fatal(err)
	}
	if err := m.RegisterQueue(reads[[]telemetry.QueueSample](nil)); err == nil {
		t.Error("a second queue was registered")
	}
}
