package job_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestAgain(t *testing.T) {
	t.Parallel()
	seed := int64(7)
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := &job.Spec{
		ID: "first", Kind: job.KindImage, Lane: job.LaneMember, Owner: "u1", Input: &job.ImageInput{Prompt: "a fox", Seed: &seed},
		CreatedAt: job.At(created), Deadline: job.At(created.Add(90 * time.Second)), MaxAttempts: 8, Fingerprint: "f", RetriedFrom: "before",
		Labels: job.Labels{Tags: []string{"spring"}},
	}
	later := created.Add(time.Hour)
	second := first.Again("second", later)
	want := *first
	want.ID, want.RetriedFrom, want.CreatedAt, want.Deadline = "second", "first", job.At(later), job.At(later.Add(90*time.Second))
	if !reflect.DeepEqual(*second, want) {
		t.Errorf("%+v, want %+v", second, want)
	}
	if first.ID != "first" || first.RetriedFrom != "before" || second.Allowance() != 90*time.Second {
		t.Errorf("%+v has %s", first, second.Allowance())
	}
}

func TestCanBeRetried(t *testing.T) {
	t.Parallel()
	for _, status := range job.Statuses() {
		want := status == job.StatusFailed || status == job.StatusCanceled
		if got := (&job.Record{Status: status}).CanBeRetried(); got != want {
			t.Errorf("%s: %t", status, got)
		}
	}
	for _, code := range job.FailureCodes() {
		e, want := job.NewError(code, 0), code != job.CodeInvalidJob
		if got := (&job.Record{Status: job.StatusFailed, Error: e}).CanBeRetried(); got != want {
			t.Errorf("a record with %s: %t", code, got)
		}
		if got := (&job.DeadLetter{Error: e}).CanBeReplayed(); got != want {
			t.Errorf("a dead letter with %s: %t", code, got)
		}
	}
}

func TestRetryFingerprint(t *testing.T) {
	t.Parallel()
	zero, one, minute := int64(0), int64(1), 60
	seen := map[string]int{}
	for i, f := range []struct {
		id       string
		seed     *int64
		deadline *int
	}{
		{"a", nil, nil}, {"b", nil, nil}, {"a", &zero, nil}, {"a", &one, nil}, {"a", nil, &minute}, {"a", &one, &minute},
	} {
		for range 2 {
			got, err := job.RetryFingerprint(f.id, f.seed, f.deadline)
			if before, known := seen[got]; err != nil || (known && before != i) {
				t.Errorf("%d equals %d, %v", i, before, err)
			}
			seen[got] = i
		}
	}
}
