package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestNamesAreUnambiguous checks that each name or alias belongs to one model, and that the replacements of retired models exist.
func TestNamesAreUnambiguous(t *testing.T) {
	t.Parallel()
	c := catalogue.Builtin()
	for list, models := range map[string][]job.Model{"image": c.Images, "speech": c.Speech} {
		if len(models) == 0 {
			t.Errorf("no %s models", list)
		}
		seen := map[string]string{}
		for _, m := range models {
			for _, name := range append([]string{m.Name}, m.Aliases...) {
				key := strings.ToLower(name)
				if name == "" || len(name) > 100 {
					t.Errorf("%s model %q has the invalid name %q", list, m.Name, name)
				}
				if other, ok := seen[key]; ok {
					t.Errorf("%s name %q means both %s and %s", list, name, other, m.Name)
				}
				seen[key] = m.Name
			}
			if m.MaxPixels < 0 || (m.MaxPixels > 0 && m.MaxPixels < job.MinSide*job.MinSide) {
				t.Errorf("%s model %s allows %d pixels", list, m.Name, m.MaxPixels)
			}
		}
		for _, m := range models {
			if m.ReplacedBy == "" {
				continue
			}
			i := slices.IndexFunc(models, func(other job.Model) bool { return other.Name == m.ReplacedBy })
			if i < 0 || models[i].ReplacedBy != "" {
				t.Errorf("%s model %s is replaced by %s, which is not available", list, m.Name, m.ReplacedBy)
			}
		}
	}
}

func TestSpeechModels(t *testing.T) {
	t.Parallel()
	formats := []string{"mp3", "opus", "aac", "flac", "wav", "pcm"}
	for _, m := range catalogue.Builtin().Speech {
		if m.ReplacedBy != "" {
			continue
		}
		if len(m.Voices) == 0 || !slices.Contains(m.Formats, "mp3") {
			t.Errorf("%s has %d voices and formats %v", m.Name, len(m.Voices), m.Formats)
		}
		voices := slices.Sorted(slices.Values(m.Voices))
		if len(slices.Compact(slices.Clone(voices))) != len(voices) {
			t.Errorf("%s has a voice twice", m.Name)
		}
		for _, f := range m.Formats {
			if !slices.Contains(formats, f) {
				t.Errorf("%s has the unknown format %s", m.Name, f)
			}
		}
	}
}

// TestDefaultsAreValid completes and validates requests without options.
func TestDefaultsAreValid(t *testing.T) {
	t.Parallel()
	d := job.Defaults{
		ImageModel: catalogue.DefaultImageModel, AudioModel: catalogue.DefaultSpeechModel, Voice: catalogue.DefaultVoice,
		Seed: func() int64 { return job.MaxSeed },
	}
	for name, in := range map[string]job.Input{"image": &job.ImageInput{Prompt: "p"}, "audio": &job.AudioInput{Text: "t"}} {
		in.Complete(d, &job.Catalogue{})
		if faults := in.Validate(catalogue.Builtin()); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestBuiltinReturnsCopies(t *testing.T) {
	t.Parallel()
	first := catalogue.Builtin()
	first.Images[0].Name, first.Speech[0].Voices[0], first.Speech[0].Formats[0] = "changed", "changed", "changed"
	second := catalogue.Builtin()
	if second.Images[0].Name == "changed" || second.Speech[0].Voices[0] == "changed" || second.Speech[0].Formats[0] == "changed" {
		t.Error("a change of one catalogue changes the next")
	}
}
