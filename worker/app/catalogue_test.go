package app_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/app"
)

// onLists starts a worker whose upstream serves the given list of models, or an error if it is empty. It returns the
// worker and its catalogue.
func onLists(t *testing.T, style, list string) (*fixture, *catalogue.Live) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if list == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, list)
	}))
	t.Cleanup(server.Close)
	b := newFixture(t,
		"POLLINATIONS_IMAGE_API_BASE="+server.URL, "POLLINATIONS_IMAGE_API_STYLE="+style,
		"POLLINATIONS_TEXT_API_BASE="+server.URL, "POLLINATIONS_TEXT_API_STYLE="+style,
	)
	if err := b.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.stop)
	return b, liveOn(t, b)
}

// liveOn returns the catalogue that the worker publishes.
func liveOn(t *testing.T, b *fixture) *catalogue.Live {
	t.Helper()
	live, err := catalogue.NewLive(t.Context(), b.Broker, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return live
}

// The models that a worker reads are known to the API in its process at once: its clock stands still, so that it reads the store once,
// before the worker starts.
func TestModelsAreSharedWithTheAPI(t *testing.T) {
	t.Parallel()
	b, now := newFixture(t), time.Now()
	live, err := catalogue.NewLive(t.Context(), b.Broker, slog.New(slog.DiscardHandler), catalogue.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	if source := live.Current(t.Context()).Source; source != job.SourceBuiltin {
		t.Fatalf("the models are from the %s", source)
	}
	app.WithAPI(app.API{Models: live})(b.worker)
	if err := b.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	b.Eventually("the API has the models of the upstream", func() bool { return live.Current(t.Context()).Source == job.SourceUpstream })
}

// The legacy service takes prompts only in the URL, which bounds their length, with or without a model list.
func TestPromptLimit(t *testing.T) {
	t.Parallel()
	const limit = 5 << 10
	for name, r := range map[string]struct {
		style, list, source string
		want                int
	}{
		"legacy":               {"legacy", `["flux"]`, job.SourceUpstream, limit},
		"legacy, without list": {"legacy", "", job.SourceBuiltin, limit},
		"gateway":              {"gen", `["flux"]`, job.SourceUpstream, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, live := onLists(t, r.style, r.list)
			var seen *job.Catalogue
			b.Eventually("the catalogue is there", func() bool {
				seen = live.Current(t.Context())
				return seen.UpdatedAt != nil
			})
			if seen.MaxPromptBytes != r.want || seen.Source != r.source || len(seen.Images) == 0 || len(seen.Speech) == 0 {
				t.Errorf("source %s, limit %d, %d image models, %d speech models", seen.Source, seen.MaxPromptBytes, len(seen.Images), len(seen.Speech))
			}
		})
	}
}

// Invalid entries of a list are skipped and logged.
func TestInvalidListEntriesAreSkipped(t *testing.T) {
	t.Parallel()
	b, live := onLists(t, "gen", `[{"name":"bad\u0007name"},7,
		{"name":"flux","per_user_rpm":60,"max_pixels":1e15,"max_reference_images":4,"pricing":{"currency":"pollen","completionImageTokens":"-1"}},
		{"name":"speaker","voices":["anna","<b>bold</b>"],"per_user_rpm":-5,"pricing":{"completionAudioTokens":"0.0001"}}]`)
	var seen *job.Catalogue
	b.Eventually("the catalogue is there", func() bool {
		seen = live.Current(t.Context())
		return seen.UpdatedAt != nil
	})
	flux, _ := seen.ImageModel("flux")
	if flux.PerUserRPM != 60 || flux.MaxPixels != 0 || flux.MaxReferenceImages != 4 || flux.Price != nil {
		t.Errorf("flux is %+v", flux)
	}
	speaker, _ := seen.SpeechModel("speaker")
	if strings.Join(speaker.Voices, " ") != "anna" || speaker.PerUserRPM != 0 || speaker.Price == nil {
		t.Errorf("speaker is %+v", speaker)
	}
	b.Eventually("the skipped entries are logged", func() bool {
		return strings.Contains(b.log.String(), "unusable entries") && !strings.Contains(b.log.String(), "bold")
	})
}
