package app_test

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
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

// A gate that NATS does not let decide is no failure of the job.
func TestUnavailableGateIsNoFailure(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	lost := brokertest.Start(t)
	leases, err := control.Open(t.Context(), lost)
	if err != nil {
		t.Fatal(err)
	}
	brokertest.Close(t, lost)
	gate := f.worker.Gate(leases)
	f.Start(processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N > 3 {
			return processortest.Succeed(c)
		}
		_, err := gate(c.Ctx, job.UpstreamImage)
		return nil, err
	}))
	record := f.WaitSettled(f.Submit(job.KindImage, processortest.MaxAttempts(2)))
	if record.Status != job.StatusSucceeded || record.Failures != 0 || record.Throttles != 3 {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
}
