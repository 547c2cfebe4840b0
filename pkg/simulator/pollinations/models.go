package pollinations

import (
	"cmp"
	"slices"
	"strings"
)

// ImageModel is an image model.
type ImageModel struct {
	Name      string // the short name, an alias of id
	id        string
	title     string
	aliases   []string // beside name
	price     string   // of an image, or of a token where tokens are counted
	tokens    int      // of an image, where tokens are counted
	refs      int      // maximum number of reference images
	degraded  bool     // listed as degraded
	paidOnly  bool
	side      int  // default width and height
	GPT       bool // accepts quality and transparent
	vector    bool // returns SVG
	maxPixels int
}

// imageModels lists the image models.
func imageModels() []ImageModel {
	return []ImageModel{
		{Name: "zimage", id: "tongyi-mai/z-image-turbo", title: "Z-Image Turbo", price: "0.004"},
		{Name: "flux", id: "black-forest-labs/flux.1-schnell", title: "FLUX.1 Schnell", price: "0.002"},
		{Name: "sana", id: "lykon/dreamshaper", title: "DreamShaper", aliases: []string{"dreamshaper"}, price: "0.0001"},
		{Name: "klein", id: "black-forest-labs/flux.2-klein", title: "FLUX.2 Klein", price: "0.005", refs: 10, maxPixels: 2_400_000},
		{Name: "klein-large", id: "black-forest-labs/flux.2-klein-9b", title: "FLUX.2 Klein 9B", price: "0.01", refs: 10, maxPixels: 2_400_000},
		{Name: "kontext", id: "black-forest-labs/flux.1-kontext", title: "FLUX.1 Kontext", price: "0.04", refs: 1, degraded: true},
		{Name: "gptimage", id: "openai/gpt-image-1-mini", title: "GPT Image 1 Mini", price: "0.000008", tokens: 1056, refs: 16, side: 1021, GPT: true},
		{Name: "gptimage-large", id: "openai/gpt-image-1.5", title: "GPT Image 1.5", price: "0.000032", tokens: 1056, refs: 16, GPT: true},
		{Name: "gpt-image-2", id: "openai/gpt-image-2", title: "GPT Image 2", price: "0.00003", tokens: 1056, refs: 16, GPT: true},
		{Name: "nanobanana", id: "google/nano-banana", title: "Nano Banana", price: "0.00003", tokens: 1300, refs: 3, paidOnly: true},
		{Name: "nanobanana-2", id: "google/nano-banana-2", title: "Nano Banana 2", price: "0.00006", tokens: 1120, refs: 14, paidOnly: true},
		{Name: "nanobanana-2-lite", id: "google/nano-banana-2-lite", title: "Nano Banana 2 Lite", price: "0.00003", tokens: 1120, refs: 14, paidOnly: true},
		{Name: "nanobanana-pro", id: "google/nano-banana-pro", title: "Nano Banana Pro", price: "0.00012", tokens: 1120, refs: 14, paidOnly: true, side: 2048},
		{Name: "seedream", id: "bytedance/seedream-4.5", title: "Seedream 4.5", price: "0.03", paidOnly: true, side: 2048},
		{Name: "seedream-pro", id: "bytedance/seedream-4.5-pro", title: "Seedream 4.5 Pro", price: "0.04", paidOnly: true, side: 2048},
		{Name: "seedream5", id: "bytedance/seedream-5", title: "Seedream 5", price: "0.035", paidOnly: true, side: 2048},
		{Name: "seedream5-pro", id: "bytedance/seedream-5-pro", title: "Seedream 5 Pro", price: "0.09", paidOnly: true, side: 2048},
		{Name: "ideogram-v4-turbo", id: "ideogram/v4-turbo", title: "Ideogram 4 Turbo", price: "0.03", paidOnly: true, side: 2048},
		{Name: "ideogram-v4-balanced", id: "ideogram/v4-balanced", title: "Ideogram 4 Balanced", price: "0.06", paidOnly: true, side: 2048},
		{Name: "ideogram-v4-quality", id: "ideogram/v4-quality", title: "Ideogram 4 Quality", price: "0.1", paidOnly: true, side: 2048},
		{Name: "wan-image", id: "alibaba/wan-image", title: "Wan Image", price: "0.03"},
		{Name: "wan-image-pro", id: "alibaba/wan-image-pro", title: "Wan Image Pro", price: "0.03", paidOnly: true, side: 2048},
		{Name: "qwen-image", id: "alibaba/qwen-image", title: "Qwen Image", price: "0.025", paidOnly: true},
		{Name: "grok-imagine", id: "xai/grok-imagine", title: "Grok Imagine", price: "0.02", paidOnly: true},
		{Name: "grok-imagine-pro", id: "xai/grok-imagine-pro", title: "Grok Imagine Pro", price: "0.05", paidOnly: true},
		{Name: "p-image", id: "pruna/p-image", title: "P-Image", price: "0.005", paidOnly: true},
		{Name: "p-image-edit", id: "pruna/p-image-edit", title: "P-Image Edit", price: "0.01", refs: 5, paidOnly: true},
		{Name: "nova-canvas", id: "amazon/nova-canvas", title: "Nova Canvas", price: "0.04"},
		{Name: "recraft-v4.1-vector", id: "recraft/v4.1-vector", title: "Recraft 4.1 Vector", price: "0.08", paidOnly: true, vector: true},
	}
}

const defaultImageModel = "zimage"

// FindImageModel returns the model with an ID or alias, regardless of case and
// surrounding spaces.
func FindImageModel(name string) (ImageModel, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, m := range imageModels() {
		if name == m.Name || name == m.id || slices.Contains(m.aliases, name) {
			m.side = cmp.Or(m.side, 1024)
			return m, true
		}
	}
	return ImageModel{}, false
}

// speechModel is a speech model.
type speechModel struct {
	name    string
	id      string
	title   string
	aliases []string
	price   string
	voices  []string
	voice   string // default voice
	rpm     int    // requests per minute of a user; zero means no such limit
	anyID   bool   // accepts voice IDs beside the presets
	wavOnly bool
}

// speechModels lists the speech models; all are paid.
func speechModels() []speechModel {
	eleven, kokoro := elevenVoices(), kokoroVoices()
	return []speechModel{
		{name: "elevenlabs", id: "elevenlabs/eleven-v3", title: "Eleven v3", aliases: []string{"tts", "tts-1", "tts-1-hd"}, price: "0.0001", voices: eleven, voice: "alloy", anyID: true},
		{name: "eleven-dialogue", id: "elevenlabs/eleven-v3-dialogue", title: "Eleven v3 Dialogue", price: "0.0001", voices: eleven, voice: "alloy", anyID: true},
		{name: "eleven-multilingual-v2", id: "elevenlabs/eleven-multilingual-v2", title: "Eleven Multilingual v2", price: "0.0001", voices: eleven, voice: "alloy", anyID: true},
		{name: "elevenflash", id: "elevenlabs/eleven-flash-v2.5", title: "Eleven Flash v2.5", price: "0.00005", voices: eleven, voice: "alloy", anyID: true},
		{name: "grok-tts", id: "xai/grok-tts", title: "Grok TTS", price: "0.000015", voices: grokVoices(), voice: "ara"},
		{name: "fish-audio-s2.1-pro", id: "fishaudio/s2.1-pro", title: "Fish Audio S2.1 Pro", price: "0.000015", voices: []string{"default"}, voice: "default"},
		{name: "csm-1b", id: "sesame/csm-1b", title: "CSM 1B", price: "0.000007", voices: csmVoices(), voice: "conversational_a"},
		{name: "qwen-tts", id: "alibaba/qwen-tts", title: "Qwen TTS", price: "0.00001", voices: qwenVoices(), voice: "Cherry", rpm: 60, wavOnly: true},
		{name: "qwen-tts-instruct", id: "alibaba/qwen-tts-instruct", title: "Qwen TTS Instruct", price: "0.0000115", voices: qwenVoices(), voice: "Cherry", wavOnly: true},
		{name: "kokoro", id: "hexgrad/kokoro-82m", title: "Kokoro", price: "0.00000062", voices: kokoro, voice: "af_heart"},
	}
}

const defaultSpeechModel = "elevenlabs"

// findSpeechModel returns the model with an ID or alias, regardless of case and
// surrounding spaces.
func findSpeechModel(name string) (speechModel, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, m := range speechModels() {
		if name == m.name || name == m.id || slices.Contains(m.aliases, name) {
			return m, true
		}
	}
	return speechModel{}, false
}
