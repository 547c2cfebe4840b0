package job_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestCatalogueFinds(t *testing.T) {
	t.Parallel()
	c := testCatalogue()
	for name, want := range map[string]string{
		"flux": "flux", "FLUX": "flux", "schnell": "flux", "turbo": "turbo", "eleven": "", "": "", "flux ": "",
	} {
		m, ok := c.ImageModel(name)
		if ok != (want != "") || m.Name != want {
			t.Errorf("image model %q: %q, %t", name, m.Name, ok)
		}
	}
	for name, want := range map[string]string{"Tts-1": "eleven", "grok": "grok", "old": "old", "flux": ""} {
		m, ok := c.SpeechModel(name)
		if ok != (want != "") || m.Name != want {
			t.Errorf("speech model %q: %q, %t", name, m.Name, ok)
		}
	}
	var empty job.Catalogue
	if _, ok := empty.ImageModel("flux"); ok {
		t.Error("an empty catalogue has a model")
	}
}
