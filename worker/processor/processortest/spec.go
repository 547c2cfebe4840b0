package processortest

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// SpecOption changes a job before it is submitted.
type SpecOption func(*job.Spec)

// AsGuest submits a job in the guests' lane.
func AsGuest(s *job.Spec) { s.Lane = job.LaneGuest }

// MaxAttempts sets the maximum number of attempts of a job.
func MaxAttempts(n int) SpecOption { return func(s *job.Spec) { s.MaxAttempts = n } }

// Input replaces the job's input.
func Input(in job.Input) SpecOption { return func(s *job.Spec) { s.Input = in } }

// Images sets an input of n small images, with consecutive seeds that start at seed.
func Images(n int, seed int64) SpecOption {
	side := 64
	return Input(&job.ImageInput{Prompt: "a lighthouse", N: &n, Seed: &seed, Width: &side, Height: &side})
}

// Deadline sets the job's deadline, relative to now.
func Deadline(after time.Duration) SpecOption {
	return func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(after)) }
}

// NewSpec returns a member's job with three attempts and a small input.
func NewSpec(t testing.TB, kind job.Kind, options ...SpecOption) *job.Spec {
	t.Helper()
	id, created, err := jobs.NewID()
	if err != nil {
		t.Fatal(err)
	}
	s := &job.Spec{
		ID: id, Kind: kind, Lane: job.LaneMember, Owner: "owner", CreatedAt: job.At(created),
		Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 3, Fingerprint: "fingerprint", RequestID: "request",
	}
	switch kind {
	case job.KindImage:
		Images(1, 7)(s)
	case job.KindAudio:
		s.Input = &job.AudioInput{Text: "good evening"}
	case job.KindPrompt:
		s.Input = &job.TextInput{Text: "a cat"}
	case job.KindTranslation:
		s.Input = &job.TextInput{Text: "你好"}
	}
	for _, option := range options {
		option(s)
	}
	return s
}
