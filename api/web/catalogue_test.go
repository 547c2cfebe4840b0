package web_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestOfferedModelsExist compares the models and voices that the forms offer with the catalogue of the server.
func TestOfferedModelsExist(t *testing.T) {
	t.Parallel()
	known := catalogue.Builtin()
	source := read(t, "assets/js/catalogue.js")
	images, speech, found := strings.Cut(source, "export const speechModels")
	if !found {
		t.Fatal("catalogue.js has no speech models")
	}
	entry := regexp.MustCompile(`name: '([^']+)', title: '[^']+'(?:, maxPixels: (\d+))?`)
	offered := entry.FindAllStringSubmatch(images, -1)
	if len(offered) == 0 {
		t.Fatal("catalogue.js has no image models")
	}
	for _, m := range offered {
		model, ok := known.ImageModel(m[1])
		if !ok || model.ReplacedBy != "" {
			t.Errorf("the image model %q does not exist or is replaced", m[1])
		}
		if pixels, _ := strconv.Atoi(m[2]); pixels != model.MaxPixels {
			t.Errorf("%s allows %d pixels, the page says %d", m[1], model.MaxPixels, pixels)
		}
	}
	shared := regexp.MustCompile(`const eleven = '([^']+)'`).FindStringSubmatch(source)
	if shared == nil {
		t.Fatal("catalogue.js has no shared voices")
	}
	voiced := regexp.MustCompile(`name: '([^']+)', title: '[^']+', voices: (?:eleven|'([^']+)')`).FindAllStringSubmatch(speech, -1)
	if len(voiced) == 0 {
		t.Fatal("catalogue.js has no voices")
	}
	for _, m := range voiced {
		model, ok := known.SpeechModel(m[1])
		if !ok || model.ReplacedBy != "" {
			t.Errorf("the speech model %q does not exist or is replaced", m[1])
		}
		voices := strings.Fields(m[2])
		if m[2] == "" {
			voices = strings.Fields(shared[1])
		}
		slices.Sort(voices)
		want := slices.Sorted(slices.Values(model.Voices))
		if !slices.Equal(voices, want) {
			t.Errorf("%s has the voices %v, the page offers %v", m[1], want, voices)
		}
	}
}

func TestLimitsEqualTheServers(t *testing.T) {
	t.Parallel()
	source := read(t, "assets/js/catalogue.js")
	for name, want := range map[string]int{"maxPixels": job.MaxPixels, "minSide": job.MinSide, "maxSide": job.MaxSide} {
		if !strings.Contains(source, name+": "+strconv.Itoa(want)) {
			t.Errorf("catalogue.js does not have %s: %d", name, want)
		}
	}
	limits := map[string]int{
		"image-prompt": job.MaxPrompt, "image-negative": job.MaxPrompt, "audio-text": job.MaxSpeech,
		"feedback-content": feedback.MaxContent,
	}
	for _, node := range elements(t) {
		id, _ := attribute(node, "id")
		if limit, ok := attribute(node, "data-max"); ok && limit != strconv.Itoa(limits[id]) {
			t.Errorf("#%s allows %s characters, the server %d", id, limit, limits[id])
		}
		if limit, _ := attribute(node, "data-limit"); id == "image-seed" && limit != strconv.Itoa(job.MaxSeed) {
			t.Errorf("the page allows seeds up to %s, the server up to %d", limit, job.MaxSeed)
		}
	}
}

// TestOfferedSizesAndOptionsAreValid runs the server's validation on everything that the forms offer.
func TestOfferedSizesAndOptionsAreValid(t *testing.T) {
	t.Parallel()
	known := catalogue.Builtin()
	sizes := regexp.MustCompile(`\[(\d+), (\d+)\]`).FindAllStringSubmatch(read(t, "assets/js/catalogue.js"), -1)
	if len(sizes) == 0 {
		t.Fatal("catalogue.js has no sizes")
	}
	for _, m := range sizes {
		width, _ := strconv.Atoi(m[1])
		height, _ := strconv.Atoi(m[2])
		in := &job.ImageInput{Prompt: "x", Width: &width, Height: &height}
		for _, invalid := range in.Validate(known) {
			t.Errorf("%s × %s: %v", m[1], m[2], invalid)
		}
	}
	for _, node := range elements(t) {
		value, _ := attribute(node, "value")
		if node.Data != "option" || node.Parent == nil {
			continue
		}
		switch name, _ := attribute(node.Parent, "name"); name {
		case "quality":
			for _, invalid := range (&job.ImageInput{Prompt: "x", Quality: value}).Validate(known) {
				t.Error(invalid)
			}
		case "format":
			for _, invalid := range (&job.AudioInput{Text: "x", Format: value}).Validate(known) {
				t.Error(invalid)
			}
		}
	}
}
