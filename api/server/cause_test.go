package server_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// deadlineError returns the error of a job that missed its deadline because of another error.
func deadlineError(cause string) *job.Error {
	return job.NewError(job.CodeDeadline, 0).Because(job.NewError(cause, 429))
}

func TestDeadlineErrorShowsCause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := imageSpec(job.OwnerAnonymous, "job-a")
	b.settle(t, spec, &job.Record{Status: job.StatusFailed, Error: deadlineError(job.CodeThrottled)})
	for _, lang := range job.Langs() {
		var got struct{ Error job.Error }
		b.get(t, jobview.Path("job-a"), language(string(lang))).
			expect(t, http.StatusOK).decode(t, &got)
		want := *deadlineError(job.CodeThrottled)
		want.Message = want.Sentence(lang)
		if got.Error != want {
			t.Errorf("%s: %+v, want %+v", lang, got.Error, want)
		}
	}
}

// TestOriginalDeadlineFailures checks that the original's routes report the cause of a missed deadline: Retry-After is
// returned only if the job was throttled.
func TestOriginalDeadlineFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const path = "/api/optimize"
	for cause, status := range map[string]int{
		job.CodeThrottled: http.StatusServiceUnavailable, job.CodeUnavailable: http.StatusBadGateway,
	} {
		b.work(t, kindOf(path), func(*job.Spec) (*job.Record, []store.Product) {
			return &job.Record{Status: job.StatusFailed, Attempt: 1, Error: deadlineError(cause)}, nil
		})
		resp := b.post(t, path, originalBody(path))
		if f := resp.originalError(t, status, job.CodeDeadline); f.Error != deadlineError(cause).Message {
			t.Errorf("%s: %q", cause, f.Error)
		}
		if (resp.Header.Get("Retry-After") != "") != (cause == job.CodeThrottled) {
			t.Errorf("%s: Retry-After %q", cause, resp.Header.Get("Retry-After"))
		}
	}
}
