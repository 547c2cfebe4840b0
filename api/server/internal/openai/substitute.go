package openai

import (
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ImageModel returns the model to use for a model of OpenAI that is not offered here, and reports whether name is one. Models of the
// family gpt-image are replaced by gptimage if that is served, others by the default.
func ImageModel(served []job.Model, name, fallback string) (string, bool) {
	name = strings.ToLower(name)
	isGPT := strings.HasPrefix(name, "gpt-image") || strings.HasPrefix(name, "chatgpt-image")
	if !isGPT && !strings.HasPrefix(name, "dall-e") {
		return "", false
	}
	if m, ok := job.FindModel(served, "gptimage"); ok && isGPT && m.ReplacedBy == "" {
		return m.Name, true
	}
	return job.ServedModel(served, fallback).Name, true
}

// SpeechModel is ImageModel for speech, whose models are replaced by the default.
func SpeechModel(served []job.Model, name, fallback string) (string, bool) {
	name = strings.ToLower(name)
	if !strings.HasPrefix(name, "tts-") && (!strings.HasPrefix(name, "gpt-") || !strings.Contains(name, "-tts")) {
		return "", false
	}
	return job.ServedModel(served, fallback).Name, true
}
