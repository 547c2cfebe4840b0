package job_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file under testdata, which -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got = append(bytes.TrimSpace(got), '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (run with -update to write it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs\n got: %s\nwant: %s", path, got, want)
	}
}

func ptr[T any](v T) *T { return &v }

// moment is the time of submission of all fixtures.
func moment() time.Time { return time.Date(2026, time.March, 4, 5, 6, 7, 89_000_000, time.UTC) }

func specOf(kind job.Kind, in job.Input) *job.Spec {
	return &job.Spec{
		ID: "0195600a-1111-7222-8333-444455556666", Kind: kind, Lane: job.LaneMember, Owner: "u-1", Input: in,
		CreatedAt: job.At(moment()), Deadline: job.At(moment().Add(time.Hour)), MaxAttempts: 8,
		Fingerprint: "f1", RequestID: "req-1",
	}
}

// accepted returns a spec as in records and dead letters: decoded from the queue, and so with its version.
func accepted(spec *job.Spec) *job.Spec {
	spec.V = job.Version
	if len(spec.References) > 0 {
		spec.V = 2
	}
	return spec
}

func imageSpec() *job.Spec {
	return specOf(job.KindImage, &job.ImageInput{
		Prompt: "a fox, <painted>", Negative: "text", Model: "flux", Width: ptr(512), Height: ptr(768), Seed: ptr(int64(7)),
		N: ptr(2), Optimize: true, Quality: "hd", Transparent: true, NoLogo: ptr(false), Safe: "privacy,nsfw",
		ReferenceImages: []string{"https://pictures.example/a.png?w=1&h=2", "http://pictures.example/b"}, GuidanceScale: ptr(7.5),
		Reasoning: "pro",
	})
}

func audioSpec() *job.Spec {
	return specOf(job.KindAudio, &job.AudioInput{
		Text: "你好，世界", Voice: "nova", Model: "elevenlabs", Speed: ptr(1.25), Format: "mp3",
	})
}

func textSpec(kind job.Kind) *job.Spec { return specOf(kind, &job.TextInput{Text: "a fox"}) }
