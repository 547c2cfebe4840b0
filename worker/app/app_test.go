package app_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/app"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// fixture is a worker on a rig.
type fixture struct {
	*testing.T
	*processortest.Rig
	worker *app.Worker
	log    *processortest.Log
}

func newFixture(t *testing.T, environ ...string) *fixture {
	t.Helper()
	return fixtureWith(t, load(t, environ...))
}

func fixtureWith(t *testing.T, cfg app.Config) *fixture {
	t.Helper()
	r, log := processortest.New(t), &processortest.Log{}
	cfg.Processor.SoftStop = time.Second
	return &fixture{t, r, app.New(cfg, r.Broker, telemetry.NewMetrics(), slog.New(slog.NewTextHandler(log, nil))), log}
}

func (b *fixture) stop() {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.Context()), time.Minute)
	defer cancel()
	if err := b.worker.Stop(ctx); err != nil {
		b.Errorf("stop worker: %v", err)
	}
}

func (b *fixture) submit() *job.Spec {
	b.Helper()
	side, seed := 64, int64(1)
	return b.Submit(job.KindImage, processortest.Input(&job.ImageInput{Prompt: "a cat", Width: &side, Height: &side, Seed: &seed, Optimize: true}))
}

// A worker without any settings runs the real clients on the simulator.
func TestWorkerOnTheSimulator(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	if err := b.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	s := b.submit()
	record := b.WaitRecord(s)
	if record.Status != job.StatusSucceeded || len(record.Result.Media) != 1 || record.Result.Prompt == nil {
		t.Errorf("record is %+v", record)
	}
	sim := b.worker.Simulator()
	if sim.Generations(simulator.KindImage) != 1 || sim.Generations(simulator.KindChat) != 1 {
		t.Error("want one image and one chat generation")
	}
	b.Eventually("the worker is announced", func() bool {
		workers, err := b.Control.Workers(t.Context())
		return err == nil && len(workers) == 1 && workers[0].Mode == app.ModeSimulator && workers[0].Slots[job.KindPrompt] == 16
	})
}

// If one upstream is set, the others are logged as missing and never simulated: their jobs wait.
func TestUnsetUpstreamIsMisconfigured(t *testing.T) {
	t.Parallel()
	b := newFixture(t, "DEEPSEEK_API_KEY=sk-planted")
	if err := b.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	if b.worker.Simulator() != nil {
		t.Error("a simulator runs")
	}
	for _, name := range []string{"POLLINATIONS_IMAGE_API_BASE", "POLLINATIONS_TEXT_API_BASE", "DEEPSEEK_API_URL"} {
		if !strings.Contains(b.log.String(), "variable="+name) {
			t.Errorf("%s is not named: %s", name, b.log)
		}
	}
	s := b.submit()
	b.Eventually("the job waits", func() bool {
		p, _, err := b.Store.ProgressLeader(t.Context(), s.Owner, s.ID)
		return err == nil && p.Status == job.StatusRetrying && p.LastError.Code == job.CodeMisconfigured && p.Failures == 0
	})
	if strings.Contains(b.log.String(), "planted") {
		t.Errorf("a secret was logged: %s", b.log)
	}
}

// A worker that fails to start leaves nothing running, and can be stopped.
func TestStartFailsCleanly(t *testing.T) {
	t.Parallel()
	for setting, upstreams := range map[string]app.Upstreams{
		"POLLINATIONS_IMAGE_API_BASE": {ImageBase: "ftp://planted.invalid"},
		"POLLINATIONS_TEXT_API_BASE":  {TextBase: "https://someone:planted@"},
		"DEEPSEEK_API_URL":            {DeepSeekURL: "://planted"},
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			cfg := load(t)
			cfg.Upstreams = upstreams
			if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), setting) || strings.Contains(err.Error(), "planted") {
				t.Errorf("Validate: got %v, want an error that names %s and no secret", err, setting)
			}
			b := fixtureWith(t, cfg)
			err := b.worker.Start(t.Context())
			if err == nil {
				t.Error("Start returned no error")
			} else if !strings.Contains(err.Error(), setting) || strings.Contains(err.Error(), "planted") {
				t.Errorf("Start: got %q, want an error that names %s and no secret", err, setting)
			}
			b.stop()
		})
	}
	t.Run("without NATS", func(t *testing.T) {
		t.Parallel()
		b := newFixture(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.worker.Start(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		b.stop()
	})
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	newFixture(t).stop()
}

// An image does not wait while the circuit breaker of the language model is open: it uses the original prompt, without a
// call.
func TestImageDoesNotWaitForTheLanguageModel(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	c := control.NewController(b.Control, slog.New(slog.DiscardHandler), nil)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if _, _, err := c.Trip(t.Context(), control.Trip{
		Upstream: job.UpstreamLanguage, Code: job.CodeThrottled, Status: 429, Pause: func(int) time.Duration { return time.Hour },
	}); err != nil {
		t.Fatal(err)
	}
	if err := b.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	s := b.submit()
	record := b.WaitRecord(s)
	if p := record.Result.Prompt; record.Status != job.StatusSucceeded || p == nil || p.Optimized != "a cat" {
		t.Errorf("record is %+v", record)
	}
	if n := b.worker.Simulator().Count(simulator.KindChat, ""); n != 0 {
		t.Errorf("%d calls of an upstream whose circuit breaker is open", n)
	}
}
