package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
	"github.com/text2image-audio/text2image-audio/worker/app"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

func upstreamsFile(t *testing.T, content string) (variable string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "upstreams.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return "UPSTREAMS=" + path
}

// A worker with a file of providers offers the models of all of them, also of one whose list cannot be fetched, and serves what
// only one of them has. Kinds that are not in the file use the other settings.
func TestWorkerWithProviders(t *testing.T) {
	t.Parallel()
	sim := simulatortest.Start(t)
	lists := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/image/models" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `[{"name":"flux","pricing":{"currency":"pollen","completionImageTokens":"0.002"}}]`)
	}))
	t.Cleanup(lists.Close)
	b := newFixture(t, upstreamsFile(t, `{"images": [
			{"name": "broken", "type": "pollinations", "base_url": "http://127.0.0.1:1", "models": ["flux", "kontext"]},
			{"name": "main", "type": "pollinations", "base_url": "`+lists.URL+`", "api_key_env": "MAIN_KEY"},
			{"name": "local", "type": "openai", "base_url": "`+sim.PollinationsURL()+`/v1", "api_key_env": "MAIN_KEY",
				"models": {"sketch": "zimage"}, "price": {"currency": "USD", "per_image": "0.01"}}]}`),
		"MAIN_KEY=sk_test", "POLLINATIONS_IMAGE_API_BASE=https://unused.invalid", "POLLINATIONS_TEXT_API_BASE="+sim.PollinationsURL(),
		"POLLINATIONS_API_TOKEN=sk_test", "DEEPSEEK_API_URL="+sim.DeepSeekURL(), "DEEPSEEK_API_KEY=sk-test",
	)
	if err := b.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	var seen *job.Catalogue
	live := liveOn(t, b)
	b.Eventually("the catalogue is there", func() bool {
		seen = live.Current(t.Context())
		return seen.UpdatedAt != nil
	})
	flux, _ := seen.ImageModel("flux")
	kontext, _ := seen.ImageModel("kontext")
	sketch, _ := seen.ImageModel("sketch")
	if len(flux.Offers) != 2 || flux.Offers[0].Provider != "broken" || flux.Offers[1].Provider != "main" || flux.Offers[1].Price.PerImage != "0.002" {
		t.Errorf("flux is %+v", flux)
	}
	if len(kontext.Offers) != 1 || kontext.Offers[0].Provider != "broken" || len(sketch.Offers) != 1 || sketch.Price.PerImage != "0.01" {
		t.Errorf("kontext is %+v, sketch %+v", kontext, sketch)
	}
	if nova, ok := seen.SpeechModel("elevenlabs"); !ok || len(nova.Offers) != 0 {
		t.Errorf("elevenlabs is %+v", nova)
	}
	side := int64(64)
	width := int(side)
	record := b.WaitRecord(b.Submit(job.KindImage, processortest.Input(&job.ImageInput{Prompt: "a cat", Model: "sketch", Width: &width, Height: &width, Seed: &side})))
	if record.Status != job.StatusSucceeded || record.Result.Upstream != "local" || record.Result.Usage.Cost != "0.01" {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
	if record := b.WaitRecord(b.Submit(job.KindAudio)); record.Status != job.StatusSucceeded || record.Result.Upstream != "" {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
	b.Eventually("the providers are announced", func() bool {
		workers, err := b.Control.Workers(t.Context())
		return err == nil && len(workers) == 1 && strings.Join(workers[0].Providers, " ") == "image-broken image-main image-local" && workers[0].Mode == app.ModeLive
	})
	if log := b.log.String(); !strings.Contains(log, "setting is not used") || !strings.Contains(log, "variable=POLLINATIONS_IMAGE_API_BASE") || strings.Contains(log, "missing setting") {
		t.Errorf("the log is %s", log)
	}
}

func TestFileOfProvidersIsValidated(t *testing.T) {
	t.Parallel()
	for variables, want := range map[string]string{
		"UPSTREAMS=/nowhere/planted": "UPSTREAMS: the file cannot be read: no such file",
		upstreamsFile(t, `{"images": [{"name": "a", "type": "openai", "base_url": "http://x", "models": ["m"]}], "chat": 1}`): "UPSTREAMS: chat must be an array",
		upstreamsFile(t, `{"chat": [{"name": "a", "type": "deepseek", "base_url": "http://x"}]}`) + " SIMULATOR=on":           "SIMULATOR must not be on if UPSTREAMS is set",
	} {
		err := env.Load(strings.Fields(variables), &app.Config{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: got %v, want %q", variables, err, want)
		}
	}
}
