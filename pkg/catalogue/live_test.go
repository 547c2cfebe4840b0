package catalogue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestLiveCatalogue(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	worker := live(t, b)
	other := live(t, b)
	if got := worker.Current(t.Context()).Source; got != job.SourceBuiltin {
		t.Errorf("before the first update: %s", got)
	}
	other.Current(t.Context())
	if !worker.Due(t.Context(), time.Hour) {
		t.Error("the first update is not due")
	}
	if err := worker.Publish(t.Context(), &job.Catalogue{Images: []job.Model{{Name: "canonical/flux", Aliases: []string{"flux"}}}}); err != nil {
		t.Fatal(err)
	}
	// The other worker read the catalogue before that.
	if err := other.Publish(t.Context(), &job.Catalogue{}); !errors.Is(err, catalogue.ErrChanged) {
		t.Errorf("a second publish: %v, want ErrChanged", err)
	}
	for name, l := range map[string]*catalogue.Live{"worker": worker, "other": other} {
		c := l.Current(t.Context())
		if c.Source != job.SourceUpstream || c.UpdatedAt == nil {
			t.Errorf("%s: %+v", name, c)
		}
		if l.Due(t.Context(), time.Hour) {
			t.Errorf("%s: an update is due", name)
		}
	}
	if _, err := b.JetStream().Publish(t.Context(), broker.CatalogueSubject(), []byte("{")); err != nil {
		t.Fatal(err)
	}
	if got := live(t, b).Current(t.Context()).Source; got != job.SourceBuiltin {
		t.Errorf("an undecodable catalogue counts as %s", got)
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	listed := &job.Catalogue{
		Source: job.SourceUpstream,
		Images: []job.Model{
			{Name: "black-forest-labs/flux.1-schnell", Aliases: []string{"flux"}, Price: &job.Price{Currency: "pollen", PerImage: "0.002"}},
			{Name: "brand/new"},
			{Name: "openai/gpt-image-1-mini", Aliases: []string{"gptimage"}},
			{Name: "black-forest-labs/flux.2-klein", Aliases: []string{"klein"}, MaxReferenceImages: 4},
			{Name: "tongyi-mai/z-image-turbo", Aliases: []string{"zimage"}},
			{Name: "sana/dreamshaper", Aliases: []string{"sana"}},
		},
	}
	merged := catalogue.Merge(listed, catalogue.Builtin())
	flux, ok := merged.ImageModel("black-forest-labs/flux.1-schnell")
	if !ok || flux.Name != "flux" || flux.Price == nil {
		t.Errorf("flux is %+v", flux)
	}
	if m, ok := merged.ImageModel("sana"); !ok || m.Name != "sana/dreamshaper" {
		t.Errorf("a model with another name upstream is %+v", m)
	}
	if m, ok := merged.ImageModel("openai/gpt-image-1-mini"); !ok || m.Name != "gptimage" || m.MaxReferenceImages != 16 {
		t.Errorf("a model without listed reference images is %+v", m)
	}
	if m, ok := merged.ImageModel("klein"); !ok || m.MaxReferenceImages != 4 {
		t.Errorf("a model with listed reference images is %+v", m)
	}
	if _, ok := merged.ImageModel("brand/new"); !ok {
		t.Error("a new model is missing")
	}
	if _, ok := merged.ImageModel("kontext"); ok {
		t.Error("a model that the upstream does not list is present")
	}
	if turbo, ok := merged.ImageModel("turbo"); !ok || turbo.ReplacedBy != "zimage" {
		t.Errorf("the retired model is %+v", turbo)
	}
	if eleven, ok := merged.SpeechModel("elevenlabs"); !ok || len(eleven.Voices) == 0 || !eleven.CustomVoices {
		t.Errorf("without a list of speech models: %+v", eleven)
	}
	// A built-in retired model that the upstream lists is not retired.
	merged = catalogue.Merge(&job.Catalogue{Speech: []job.Model{{Name: "openai-audio", Voices: []string{"alloy"}}}}, catalogue.Builtin())
	if m, ok := merged.SpeechModel("openai-audio"); !ok || m.ReplacedBy != "" {
		t.Errorf("openai-audio is %+v", m)
	}
	// The lists contain no formats; those of a model that supports only some are known.
	merged = catalogue.Merge(&job.Catalogue{Speech: []job.Model{
		{Name: "alibaba/qwen-tts-instruct", Aliases: []string{"qwen-tts-instruct"}, Voices: []string{"Cherry"}},
		{Name: "fishaudio/s2.1-pro", Voices: []string{"default"}},
	}}, catalogue.Builtin())
	for name, want := range map[string]int{"qwen-tts-instruct": 1, "fishaudio/s2.1-pro": 0} {
		if m, ok := merged.SpeechModel(name); !ok || len(m.Formats) != want {
			t.Errorf("the formats of %s are %v", name, m.Formats)
		}
	}
	// The replacement of a retired model may be retired as well.
	merged = catalogue.Merge(&job.Catalogue{Images: []job.Model{{Name: "sana"}}}, catalogue.Builtin())
	if turbo, ok := merged.ImageModel("turbo"); !ok || merged.Images[0].Name != turbo.ReplacedBy {
		t.Errorf("the retired model is %+v", turbo)
	}
}
