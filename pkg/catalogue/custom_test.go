package catalogue_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestMergeOfBounds(t *testing.T) {
	t.Parallel()
	// All speech models of ElevenLabs accept custom voices; other models and music do not.
	merged := catalogue.Merge(&job.Catalogue{MaxPromptBytes: 7, Speech: []job.Model{
		{Name: "elevenlabs/eleven-v4", Voices: []string{"alloy"}},
		{Name: "x", Aliases: []string{"ElevenFlash"}},
		{Name: "elevenlabs/music"},
		{Name: "kokoro"},
	}}, catalogue.Builtin())
	for name, want := range map[string]bool{"elevenlabs/eleven-v4": true, "x": true, "elevenlabs/music": false, "kokoro": false} {
		if m, ok := merged.SpeechModel(name); !ok || m.CustomVoices != want {
			t.Errorf("%s is %+v", name, m)
		}
	}
	if merged.MaxPromptBytes != 7 {
		t.Errorf("MaxPromptBytes is %d", merged.MaxPromptBytes)
	}
	// Without models, the source is the built-in catalogue.
	merged = catalogue.Merge(&job.Catalogue{Source: job.SourceUpstream, MaxPromptBytes: 7}, catalogue.Builtin())
	if merged.Source != job.SourceBuiltin || merged.MaxPromptBytes != 7 || len(merged.Images) == 0 {
		t.Errorf("without models: %s, %d", merged.Source, merged.MaxPromptBytes)
	}
}
