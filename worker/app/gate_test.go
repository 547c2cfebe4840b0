package app_test

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// The gate allows one call at a time across all workers, and the next one after the spacing. It never waits.
func TestGate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	gates := []pollinations.Gate{f.worker.Gate(f.Control), f.worker.Gate(f.Control)}
	requireBusy := func(name string) {
		t.Helper()
		for _, gate := range gates {
			begun := time.Now()
			_, err := gate(t.Context(), name)
			upstreamtest.RequireError(t, err, fault.Throttled, job.CodeThrottled)
			spacing := pollinations.Spacing(name)
			if e := upstreamtest.Error(t, err); e.Upstream != name || e.RetryAfter > spacing || e.RetryAfter < spacing-20*time.Second {
				t.Errorf("%s: retry after %v", e.Upstream, e.RetryAfter)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("%s: waited %v", name, took)
			}
		}
	}
	for _, name := range []string{job.UpstreamImage, job.UpstreamSpeech} {
		release, err := gates[0](t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		requireBusy(name)
		release()
		requireBusy(name)
	}
	if image, speech := pollinations.Spacing(job.UpstreamImage), pollinations.Spacing(job.UpstreamSpeech); image != 45*time.Second || speech != 30*time.Second {
		t.Errorf("spacing is %v and %v", image, speech)
	}
}
