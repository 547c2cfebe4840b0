package job_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestStatusValidAndTerminal(t *testing.T) {
	t.Parallel()
	terminal := map[job.Status]bool{job.StatusSucceeded: true, job.StatusFailed: true, job.StatusCanceled: true}
	for _, s := range job.Statuses() {
		if !s.Valid() {
			t.Errorf("%s is not valid", s)
		}
		if s.Terminal() != terminal[s] {
			t.Errorf("%s: terminal %t", s, s.Terminal())
		}
	}
	for _, s := range []job.Status{"", "QUEUED", "cancelled", "done"} {
		if s.Valid() || s.Terminal() {
			t.Errorf("%q is valid or terminal", s)
		}
	}
}
