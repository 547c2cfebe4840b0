package pollinations

import (
	"slices"
	"strconv"
	"strings"
)

// The default models and voice.
const (
	DefaultImageModel  = "flux"
	DefaultSpeechModel = "elevenlabs"
	DefaultVoice       = "alloy"
)

// ImageRequest is a request for an image.
type ImageRequest struct {
	Prompt string
	// Negative is the negative prompt: what the image should not contain.
	Negative string
	Model    string
	// Width and Height are in pixels; 0 means the default of the model.
	Width, Height int
	// Seed and prompt determine the image; −1 means a random seed, with which a repeated request is billed again.
	Seed int64
	// Quality and Transparent are sent only to models that support them.
	Quality     string
	Transparent bool
	// NoLogo omits the logo of the legacy service. The gateway adds none.
	NoLogo bool
	// Safe sets the service's content filter: "true", "false", or a comma-separated list of categories. Empty means the
	// default of the service.
	Safe string
	// ReferenceImages are the URLs of reference images, which the service fetches, or data URLs, which only the gateway accepts.
	ReferenceImages []string
	// GuidanceScale is how closely the model follows the prompt; nil means the default of the model.
	GuidanceScale *float64
	// Reasoning is the model's reasoning effort: "fast", "balanced" or "pro". The legacy service does not support it.
	Reasoning string
}

// SpeechRequest is a request for speech.
type SpeechRequest struct {
	Text   string
	Voice  string
	Model  string
	Format string
	// Speed is the speed of the speech, from 0.25 to 4; 0 means 1. No service supports it, so the audio is changed here,
	// which is only possible in the formats wav and pcm.
	Speed float64
}

func (r SpeechRequest) withDefaults() SpeechRequest {
	if r.Voice == "" {
		r.Voice = DefaultVoice
	}
	if r.Format == "" {
		r.Format = "mp3"
	}
	if r.Speed == 0 {
		r.Speed = 1
	}
	return r
}

// text returns the text to send.
func (r SpeechRequest) text() string { return pathSafe(r.Text) }

// text returns the prompt for the gateway, which has no parameter for the negative prompt, so that it is appended.
func (r ImageRequest) text() string {
	prompt, negative := pathSafe(r.Prompt), pathSafe(r.Negative)
	switch {
	case prompt == "" || negative == "":
		return prompt
	case strings.ContainsAny(prompt[len(prompt)-1:], ".!?;,:"):
		return prompt + " avoid: " + negative
	}
	return prompt + ", avoid: " + negative
}

// references returns the URLs of the reference images as one value, which the services split at bars and commas.
func (r ImageRequest) references() string {
	escape := strings.NewReplacer("|", "%7C", ",", "%2C")
	urls := make([]string, 0, len(r.ReferenceImages))
	for _, url := range r.ReferenceImages {
		if url = pathSafe(url); url != "" {
			urls = append(urls, escape.Replace(url))
		}
	}
	return strings.Join(urls, "|")
}

// guidance returns the guidance scale as a decimal number; empty for the default.
func (r ImageRequest) guidance() string {
	if r.GuidanceScale == nil {
		return ""
	}
	return strconv.FormatFloat(*r.GuidanceScale, 'f', -1, 64)
}

// isDataURL reports whether a reference image is not a URL to fetch, but the image itself.
func isDataURL(reference string) bool { return strings.HasPrefix(reference, "data:") }

// hasData reports whether a reference image is in the request.
func (r ImageRequest) hasData() bool { return slices.ContainsFunc(r.ReferenceImages, isDataURL) }

// private returns the user's texts in the request.
func (r ImageRequest) private() []string {
	private := []string{r.text(), r.Prompt, r.Negative}
	for _, reference := range r.ReferenceImages {
		if !isDataURL(reference) {
			private = append(private, reference)
		}
	}
	return private
}

// pathSafe returns s without characters that a URL cannot contain: invalid UTF-8 and NULs.
func pathSafe(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
}
