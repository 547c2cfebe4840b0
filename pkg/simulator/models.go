package simulator

import "strings"

// imageModel is a picture model of the gateway.
type imageModel struct {
	name      string // the short name, an alias of id
	id        string
	title     string
	price     string
	paidOnly  bool
	side      int  // default width and height
	gpt       bool // takes quality and transparent
	vector    bool // answers SVG
	maxPixels int
}

// imageModels lists the models that pictures can be asked of.
func imageModels() []imageModel {
	return []imageModel{
		{name: "zimage", id: "tongyi-mai/z-image-turbo", title: "Z-Image Turbo", price: "0.004"},
		{name: "flux", id: "black-forest-labs/flux.1-schnell", title: "FLUX.1 Schnell", price: "0.002"},
		{name: "sana", id: "lykon/dreamshaper", title: "DreamShaper", price: "0.0001"},
		{name: "klein", id: "black-forest-labs/flux.2-klein", title: "FLUX.2 Klein", price: "0.005", maxPixels: 2_400_000},
		{name: "kontext", id: "black-forest-labs/flux.1-kontext", title: "FLUX.1 Kontext", price: "0.04"},
		{name: "gptimage", id: "openai/gpt-image-1-mini", title: "GPT Image 1 Mini", price: "0.000008", side: 1021, gpt: true},
		{name: "gptimage-large", id: "openai/gpt-image-1.5", title: "GPT Image 1.5", price: "0.000032", gpt: true},
		{name: "gpt-image-2", id: "openai/gpt-image-2", title: "GPT Image 2", price: "0.00003", gpt: true},
		{name: "nanobanana", id: "google/nano-banana", title: "Nano Banana", price: "0.00003", paidOnly: true},
		{name: "nanobanana-pro", id: "google/nano-banana-pro", title: "Nano Banana Pro", price: "0.00012", paidOnly: true, side: 2048},
		{name: "seedream", id: "bytedance/seedream-4.5", title: "Seedream 4.5", price: "0.03", paidOnly: true, side: 2048},
		{name: "seedream5", id: "bytedance/seedream-5", title: "Seedream 5", price: "0.035", paidOnly: true, side: 2048},
		{name: "ideogram-v4-turbo", id: "ideogram/v4-turbo", title: "Ideogram 4 Turbo", price: "0.03", paidOnly: true, side: 2048},
		{name: "wan-image", id: "alibaba/wan-image", title: "Wan Image", price: "0.03"},
		{name: "wan-image-pro", id: "alibaba/wan-image-pro", title: "Wan Image Pro", price: "0.03", paidOnly: true, side: 2048},
		{name: "qwen-image", id: "alibaba/qwen-image", title: "Qwen Image", price: "0.025", paidOnly: true},
		{name: "grok-imagine", id: "xai/grok-imagine", title: "Grok Imagine", price: "0.02", paidOnly: true},
		{name: "nova-canvas", id: "amazon/nova-canvas", title: "Nova Canvas", price: "0.04"},
		{name: "recraft-v4.1-vector", id: "recraft/v4.1-vector", title: "Recraft 4.1 Vector", price: "0.08", paidOnly: true, vector: true},
	}
}

const defaultImageModel = "zimage"

// findImageModel looks a model up by id or alias, trimmed and case-folded.
func findImageModel(name string) (imageModel, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, m := range imageModels() {
		if name == m.name || name == m.id {
			if m.side == 0 {
				m.side = 1024
			}
			return m, true
		}
	}
	return imageModel{}, false
}

// speechModel is a voice model of the gateway.
type speechModel struct {
	name    string
	id      string
	title   string
	aliases []string
	price   string
	voices  []string
	voice   string // default voice
	anyID   bool   // takes ids of voices beside the presets
	wavOnly bool
}

// speechModels lists the models that can speak; all need bought pollen.
func speechModels() []speechModel {
	eleven, kokoro := elevenVoices(), kokoroVoices()
	return []speechModel{
		{name: "elevenlabs", id: "elevenlabs/eleven-v3", title: "Eleven v3", aliases: []string{"tts", "tts-1", "tts-1-hd"}, price: "0.0001", voices: eleven, voice: "alloy", anyID: true},
		{name: "eleven-multilingual-v2", id: "elevenlabs/eleven-multilingual-v2", title: "Eleven Multilingual v2", price: "0.0001", voices: eleven, voice: "alloy", anyID: true},
		{name: "elevenflash", id: "elevenlabs/eleven-flash-v2.5", title: "Eleven Flash v2.5", price: "0.00005", voices: eleven, voice: "alloy", anyID: true},
		{name: "grok-tts", id: "xai/grok-tts", title: "Grok TTS", price: "0.000015", voices: grokVoices(), voice: "ara"},
		{name: "csm-1b", id: "sesame/csm-1b", title: "CSM 1B", price: "0.000007", voices: csmVoices(), voice: "conversational_a"},
		{name: "qwen-tts", id: "alibaba/qwen-tts", title: "Qwen TTS", price: "0.00001", voices: []string{"Cherry", "Serena", "Ethan", "Chelsie"}, voice: "Cherry", wavOnly: true},
		{name: "kokoro", id: "hexgrad/kokoro-82m", title: "Kokoro", price: "0.00000062", voices: kokoro, voice: "af_heart"},
	}
}

const defaultSpeechModel = "elevenlabs"

// findSpeechModel looks a model up by id or alias, trimmed and case-folded.
func findSpeechModel(name string) (speechModel, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	for _, m := range speechModels() {
		if name == m.name || name == m.id {
			return m, true
		}
		for _, alias := range m.aliases {
			if name == alias {
				return m, true
			}
		}
	}
	return speechModel{}, false
}

// chatModel is a language model, of the gateway or of DeepSeek itself.
type chatModel struct {
	name   string
	id     string
	thinks bool
}

// gatewayChatModels lists the gateway's language models.
func gatewayChatModels() []chatModel {
	return []chatModel{
		{name: "openai", id: "openai/gpt-5.4-nano"},
		{name: "openai-fast", id: "openai/gpt-5-nano"},
		{name: "openai-audio", id: "openai/gpt-audio-mini"},
		{name: "deepseek", id: "deepseek/deepseek-v4.1-flash"},
		{name: "deepseek-pro", id: "deepseek/deepseek-v4-pro"},
		{name: "mistral", id: "mistralai/mistral-small-3.2"},
		{name: "qwen-coder", id: "alibaba/qwen3-coder"},
	}
}

// deepSeekChatModels lists DeepSeek's own models; id is the name that an
// answer carries.
func deepSeekChatModels() []chatModel {
	return []chatModel{
		{name: "deepseek-flash", id: "deepseek-flash", thinks: true},
		{name: "deepseek-v4-pro", id: "deepseek-v4-pro", thinks: true},
		{name: "deepseek-v4-flash", id: "deepseek-v4-flash", thinks: true},
		{name: "deepseek-v4-flash-vision-exp", id: "deepseek-v4-flash-vision-exp", thinks: true},
	}
}

// findChatModel looks a model up in a list by name or id.
func findChatModel(models []chatModel, name string) (chatModel, bool) {
	for _, m := range models {
		if name == m.name || name == m.id {
			return m, true
		}
	}
	return chatModel{}, false
}
