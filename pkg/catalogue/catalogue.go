// Package catalogue lists the models and voices that jobs can request. The built-in catalogue contains the models that the
// upstream offered when it was written and the replacements of retired models. Workers fetch the upstream's lists and publish
// them in the bucket CONTROL; Live merges both.
package catalogue

import "github.com/text2image-audio/text2image-audio/pkg/job"

// The defaults for requests without a model or voice.
const (
	DefaultImageModel  = "flux"
	DefaultSpeechModel = "elevenlabs"
	DefaultVoice       = "nova"
)

// Builtin returns the built-in catalogue. The caller may change it.
func Builtin() *job.Catalogue {
	return &job.Catalogue{Source: job.SourceBuiltin, Images: imageModels(), Speech: speechModels()}
}

func imageModels() []job.Model {
	const kleinPixels = 2_400_000
	return []job.Model{
		{Name: "flux", Aliases: []string{"black-forest-labs/flux.1-schnell"}},
		{Name: "zimage", Aliases: []string{"tongyi-mai/z-image-turbo"}},
		{Name: "dreamshaper", Aliases: []string{"sana"}},
		{Name: "klein", MaxPixels: kleinPixels, MaxReferenceImages: 10},
		{Name: "klein-large", MaxPixels: kleinPixels, MaxReferenceImages: 10},
		{Name: "kontext", MaxReferenceImages: 1},
		{Name: "gptimage", MaxReferenceImages: 16},
		{Name: "gptimage-large", MaxReferenceImages: 16},
		{Name: "gpt-image-2", MaxReferenceImages: 16},
		{Name: "nanobanana", MaxReferenceImages: 3},
		{Name: "nanobanana-2", MaxReferenceImages: 14},
		{Name: "nanobanana-2-lite", MaxReferenceImages: 14},
		{Name: "nanobanana-pro", MaxReferenceImages: 14},
		{Name: "seedream"},
		{Name: "seedream-pro"},
		{Name: "seedream5"},
		{Name: "seedream5-pro"},
		{Name: "ideogram-v4-turbo"},
		{Name: "ideogram-v4-balanced"},
		{Name: "ideogram-v4-quality"},
		{Name: "wan-image"},
		{Name: "wan-image-pro"},
		{Name: "qwen-image"},
		{Name: "grok-imagine"},
		{Name: "grok-imagine-pro"},
		{Name: "p-image"},
		{Name: "nova-canvas"},
		{Name: "turbo", ReplacedBy: "zimage"},
	}
}
