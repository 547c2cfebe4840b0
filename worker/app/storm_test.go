package app_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/app"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

var stormJobs = flag.Int("storm", 60, "jobs of TestStorm; its full form takes 1000")

// TestStorm runs jobs of every kind on two workers with an upstream that returns errors to more than half of the calls.
// All jobs succeed, none is retried before its Retry-After, and both workers share the jobs.
func TestStorm(t *testing.T) {
	t.Parallel()
	const retryAfter = time.Second
	sim := simulatortest.Start(t)
	simulatortest.Script(t, sim,
		simulator.Rule{ID: "throttled", Probability: 0.30, Fault: "rate_limited", RetryAfter: retryAfter},
		simulator.Rule{ID: "failed", Probability: 0.20 / 0.70, Fault: "server_error"},
		simulator.Rule{ID: "hangs", Probability: 0.05 / 0.50, Fault: "hang"},
		simulator.Rule{ID: "cut", Probability: 0.05 / 0.45, Fault: "truncated"},
	)
	r := processortest.New(t)
	workers := make([]*stormWorker, 2)
	for n := range workers {
		workers[n] = startStormWorker(t, r.Broker, sim)
	}
	var specs []*job.Spec
	for n := range *stormJobs {
		spec := stormSpec(t, n)
		if _, _, err := r.Jobs.Enqueue(t.Context(), spec, false); err != nil {
			t.Fatal(err)
		}
		specs = append(specs, spec)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	for _, spec := range specs {
		record := waitRecord(ctx, t, r.Store, spec)
		if record.Status != job.StatusSucceeded {
			t.Errorf("%s: %+v %+v", spec.Kind, record, record.Error)
		}
	}
	inspect(t, sim, workers, retryAfter)
}

// stormWorker is a worker with its metrics.
type stormWorker struct {
	*app.Worker
	metrics *telemetry.Metrics
}

func startStormWorker(t *testing.T, b *broker.Broker, sim *simulator.Simulator) *stormWorker {
	t.Helper()
	cfg := load(t, "POLLINATIONS_IMAGE_API_BASE="+sim.PollinationsURL(), "POLLINATIONS_TEXT_API_BASE="+sim.PollinationsURL(),
		"POLLINATIONS_API_TOKEN=sk_storm", "DEEPSEEK_API_URL="+sim.DeepSeekURL(), "DEEPSEEK_API_KEY=sk-storm",
		"IMAGE_TIMEOUT=2s", "AUDIO_TIMEOUT=2s", "TEXT_TIMEOUT=2s", "FETCH_RETRY_INITIAL_DELAY_MS=100", "FETCH_RETRY_MAX_DELAY_MS=1000")
	w := &stormWorker{metrics: telemetry.NewMetrics()}
	w.Worker = app.New(cfg, b, w.metrics, slog.New(slog.DiscardHandler))
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := w.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return w
}

func stormSpec(t *testing.T, n int) *job.Spec {
	t.Helper()
	spec := processortest.NewSpec(t, job.Kinds()[n%4], processortest.MaxAttempts(20))
	spec.Lane, spec.Fingerprint = job.Lanes()[n/4%2], spec.ID
	side, seed := 64, int64(n)
	words := fmt.Sprintf("storm %d of the sea", n)
	switch spec.Kind {
	case job.KindImage:
		spec.Input = &job.ImageInput{Prompt: words, Width: &side, Height: &side, Seed: &seed}
	case job.KindAudio:
		spec.Input = &job.AudioInput{Text: words, Model: "elevenlabs", Voice: "alloy"}
	case job.KindPrompt, job.KindTranslation:
		spec.Input = &job.TextInput{Text: words}
	}
	return spec
}

func waitRecord(ctx context.Context, t *testing.T, s *store.Store, spec *job.Spec) *job.Record {
	t.Helper()
	retry := time.NewTicker(20 * time.Millisecond)
	defer retry.Stop()
	for {
		record, err := s.RecordLeader(ctx, spec.Owner, spec.ID)
		if err == nil {
			return record
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			t.Fatalf("%s %s has not ended: %v", spec.Kind, spec.ID, err)
		}
	}
}

// inspect checks the calls that the upstream received and how many jobs each worker ended.
func inspect(t *testing.T, sim *simulator.Simulator, workers []*stormWorker, retryAfter time.Duration) {
	t.Helper()
	for _, kind := range []simulator.Kind{simulator.KindImage, simulator.KindSpeech, simulator.KindChat} {
		var calls, throttled, early int
		last := map[string]time.Time{}
		for _, c := range sim.Calls(kind) {
			if !strings.Contains(c.Prompt, "storm") {
				continue
			}
			calls++
			if c.Status == http.StatusTooManyRequests {
				throttled++
			}
			if at, ok := last[c.Prompt]; ok && c.Started.Sub(at) < retryAfter {
				early++
			}
			if c.Status == http.StatusTooManyRequests {
				last[c.Prompt] = c.Finished
			}
		}
		t.Logf("%s: %d calls, %d throttled", kind, calls, throttled)
		if early > 0 {
			t.Errorf("%s: %d calls before the Retry-After", kind, early)
		}
	}
	shares := make([]float64, len(workers))
	for n, w := range workers {
		shares[n] = finished(t, w.metrics)
	}
	t.Logf("the workers ended %v jobs", shares)
	if *stormJobs >= 1000 && (shares[0] < 0.8*shares[1] || shares[1] < 0.8*shares[0]) {
		t.Errorf("the workers ended %v jobs", shares)
	}
}

// finished returns the number of jobs that a worker has ended.
func finished(t *testing.T, m *telemetry.Metrics) float64 {
	t.Helper()
	var sum float64
	for _, kind := range job.Kinds() {
		for _, status := range []job.Status{job.StatusSucceeded, job.StatusFailed} {
			var value dto.Metric
			if err := m.JobsFinished.WithLabelValues(string(kind), string(status)).Write(&value); err != nil {
				t.Fatal(err)
			}
			sum += value.GetCounter().GetValue()
		}
	}
	return sum
}
