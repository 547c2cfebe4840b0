// Package catalogue lists the models and voices that can be asked for. The list is built in: it holds what the upstream
// offered when it was written, and refuses what the upstream has retired by naming what took its place.
package catalogue

import "github.com/text2image-audio/text2image-audio/pkg/job"

// The defaults of requests that leave the model or the voice open.
const (
	DefaultImageModel  = "flux"
	DefaultSpeechModel = "elevenlabs"
	DefaultVoice       = "nova"
)

// Builtin returns the built-in catalogue. The caller may change what it gets.
func Builtin() *job.Catalogue {
	return &job.Catalogue{Source: job.SourceBuiltin, Images: imageModels(), Speech: speechModels()}
}

func imageModels() []job.Model {
	const kleinPixels = 2_400_000
	return []job.Model{
		{Name: "flux", Aliases: []string{"black-forest-labs/flux.1-schnell"}},
		{Name: "zimage", Aliases: []string{"tongyi-mai/z-image-turbo"}},
		{Name: "dreamshaper", Aliases: []string{"sana"}},
		{Name: "klein", MaxPixels: kleinPixels},
		{Name: "klein-large", MaxPixels: kleinPixels},
		{Name: "kontext"},
		{Name: "gptimage"},
		{Name: "gptimage-large"},
		{Name: "gpt-image-2"},
		{Name: "nanobanana"},
		{Name: "nanobanana-2"},
		{Name: "nanobanana-2-lite"},
		{Name: "nanobanana-pro"},
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
