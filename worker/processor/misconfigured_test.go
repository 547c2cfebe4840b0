package processor_test

import (
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// TestOperatorLearnsOfARefusal has an upstream refuse the installation for two jobs, again and again: its operator
// reads the reason once.
func TestOperatorLearnsOfARefusal(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	refusal := func() *upstream.Fault {
		return &upstream.Fault{
			Upstream: upstream.LanguageModel, Class: upstream.Misconfigured, Code: upstream.CodeMisconfigured, Status: 401,
			Detail: "the key is not known",
		}
	}
	broken := r.start(always(refusal()), func(c *processor.Config) {
		c.RetryInitialDelay, c.RetryMaxDelay = 20*time.Millisecond, 20*time.Millisecond
	})
	first, second := r.submit(job.KindPrompt), r.submit(job.KindTranslation)
	refused := func() []string {
		workers, err := r.queue.Workers(r.Context())
		if err != nil {
			r.Fatal(err)
		}
		for _, w := range workers {
			if w.ID == broken.ID() {
				return w.Refused
			}
		}
		return nil
	}
	r.eventually("the refusal is announced", func() bool { return len(refused()) == 1 && refused()[0] == upstream.LanguageModel })
	for _, s := range []*job.Spec{first, second} {
		r.progressing(s, "it was refused more than once", func(p *job.Progress) bool { return p.Throttles > 2 })
	}
	log := broken.log.String()
	if n := strings.Count(log, "refuses this installation"); n != 1 {
		t.Errorf("said %d times, want once: %s", n, log)
	}
	if !strings.Contains(log, "the key is not known") {
		t.Errorf("the upstream's own words are missing: %s", log)
	}
}

// TestAcceptedAgain has the refusals of an upstream end with the first job that succeeds.
func TestAcceptedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	refusal := &upstream.Fault{Upstream: upstream.LanguageModel, Class: upstream.Misconfigured, Code: upstream.CodeMisconfigured, Status: 401}
	w := r.start(after(refusal, refusal))
	if record := r.settled(r.submit(job.KindPrompt)); record.Status != job.StatusSucceeded {
		t.Fatalf("record is %+v", record)
	}
	r.eventually("the refusal is withdrawn", func() bool {
		workers, err := r.queue.Workers(r.Context())
		return err == nil && len(workers) == 1 && len(workers[0].Refused) == 0
	})
	if log := w.log.String(); !strings.Contains(log, "accepts this installation again") {
		t.Errorf("it is not said: %s", log)
	}
}
