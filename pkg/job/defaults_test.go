package job_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func defaults() job.Defaults {
	return job.Defaults{ImageModel: "flux", AudioModel: "eleven", Voice: "nova", Seed: func() int64 { return 42 }}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want job.Input }{
		"image with defaults": {
			&job.ImageInput{Prompt: "p"},
			&job.ImageInput{Prompt: "p", Model: "flux", Width: ptr(1024), Height: ptr(1024), N: ptr(1), Seed: ptr(int64(42))},
		},
		"image with a random seed": {
			&job.ImageInput{Prompt: "p", Seed: ptr(int64(-1)), Width: ptr(64)},
			&job.ImageInput{Prompt: "p", Model: "flux", Width: ptr(64), Height: ptr(1024), N: ptr(1), Seed: ptr(int64(42))},
		},
		"image complete": {
			&job.ImageInput{Prompt: "p", Model: "klein", Width: ptr(64), Height: ptr(65), N: ptr(3), Seed: ptr(int64(0))},
			&job.ImageInput{Prompt: "p", Model: "klein", Width: ptr(64), Height: ptr(65), N: ptr(3), Seed: ptr(int64(0))},
		},
		"image with choices in other case": {
			&job.ImageInput{Prompt: "p", Quality: "HD", Reasoning: "Pro", Safe: "NSFW, privacy,nsfw"},
			&job.ImageInput{
				Prompt: "p", Model: "flux", Width: ptr(1024), Height: ptr(1024), N: ptr(1), Seed: ptr(int64(42)),
				Quality: "hd", Reasoning: "pro", Safe: "nsfw,privacy",
			},
		},
		"speech at normal speed": {
			&job.AudioInput{Text: "t", Speed: ptr(1.0)},
			&job.AudioInput{Text: "t", Model: "eleven", Voice: "nova", Format: "mp3", Speed: ptr(1.0)},
		},
		"format in other case": {
			&job.AudioInput{Text: "t", Format: "WAV", Speed: ptr(2.0)},
			&job.AudioInput{Text: "t", Model: "eleven", Voice: "nova", Format: "wav", Speed: ptr(2.0)},
		},
		"audio with defaults": {
			&job.AudioInput{Text: "t"},
			&job.AudioInput{Text: "t", Model: "eleven", Voice: "nova", Format: "mp3"},
		},
		"audio complete": {
			&job.AudioInput{Text: "t", Model: "grok", Voice: "ara", Format: "wav", Speed: ptr(2.0)},
			&job.AudioInput{Text: "t", Model: "grok", Voice: "ara", Format: "wav", Speed: ptr(2.0)},
		},
		"text": {&job.TextInput{Text: "t"}, &job.TextInput{Text: "t"}},
	} {
		c.in.Complete(defaults(), &job.Catalogue{})
		if !reflect.DeepEqual(c.in, c.want) {
			t.Errorf("%s: %+v, want %+v", name, c.in, c.want)
		}
		again := defaults()
		again.Seed = func() int64 { t.Errorf("%s: a second seed was drawn", name); return 0 }
		c.in.Complete(again, &job.Catalogue{})
		if !reflect.DeepEqual(c.in, c.want) {
			t.Errorf("%s: completing twice changes it", name)
		}
	}
}

func TestCompleteDefaultFormat(t *testing.T) {
	t.Parallel()
	d := defaults()
	d.Format = "wav"
	for given, want := range map[string]string{"": "wav", "pcm": "pcm"} {
		in := &job.AudioInput{Text: "t", Format: given}
		if in.Complete(d, &job.Catalogue{}); in.Format != want {
			t.Errorf("%q became %q, want %q", given, in.Format, want)
		}
	}
}

func TestImageCountSizeAndSeeds(t *testing.T) {
	t.Parallel()
	open := &job.ImageInput{}
	if w, h := open.Size(); open.Count() != 1 || w != 1024 || h != 1024 || open.SeedOf(2) != 2 {
		t.Errorf("an empty input: %d of %d×%d, third seed %d", open.Count(), w, h, open.SeedOf(2))
	}
	last := &job.ImageInput{N: ptr(4), Seed: ptr(int64(job.MaxSeed - 1))}
	seen := map[int64]bool{}
	for i := range last.Count() {
		seed := last.SeedOf(i)
		if seed < 0 || seed > job.MaxSeed || seen[seed] {
			t.Errorf("seed %d of image %d is out of range or used twice", seed, i)
		}
		seen[seed] = true
	}
}

func TestDefaultDeadline(t *testing.T) {
	t.Parallel()
	want := map[job.Kind]time.Duration{
		job.KindImage: time.Hour, job.KindAudio: time.Hour,
		job.KindPrompt: 2 * time.Minute, job.KindTranslation: 2 * time.Minute,
	}
	for _, kind := range job.Kinds() {
		if got := job.DefaultDeadline(kind); got != want[kind] {
			t.Errorf("%s: %s", kind, got)
		}
	}
}
