package pollinations

import (
	"strconv"
	"strings"
)

// The models and the voice asked for when a request names none.
const (
	DefaultImageModel  = "flux"
	DefaultSpeechModel = "elevenlabs"
	DefaultVoice       = "alloy"
)

// ImageRequest is a request for an image.
type ImageRequest struct {
	Prompt string
	// Negative says what should not be in the image.
	Negative string
	Model    string
	// Width and Height are in pixels; 0 leaves them to the model.
	Width, Height int
	// Seed decides the image together with the prompt; −1 is a random one, for which a repetition is billed again.
	Seed int64
	// Quality and Transparent are sent to models that support them.
	Quality     string
	Transparent bool
	// NoLogo is told to the legacy service. The gateway draws no logo, so nothing is sent there.
	NoLogo bool
	// Safe asks for the service's own filter of what may be shown: "true", "false", or a comma list of what to look for.
	// Left empty it is the service's to decide.
	Safe string
	// ReferenceImages are the URLs of images to go by, which the service fetches.
	ReferenceImages []string
	// GuidanceScale is how closely the prompt is followed; nil is the default of the model.
	GuidanceScale *float64
	// Reasoning is how much a model may think first: "fast", "balanced" or "pro". The legacy service knows no such thing.
	Reasoning string
}

// SpeechRequest is a request to read a text aloud.
type SpeechRequest struct {
	Text   string
	Voice  string
	Model  string
	Format string
	// Speed is how much faster than usual the text is read, 0.25 to 4; 0 means 1. No service heeds one, so the recording is
	// re-timed here, which is possible for the formats wav and pcm alone.
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

// text returns what is to be read.
func (r SpeechRequest) text() string { return pathSafe(r.Text) }

// text returns what the gateway is told to paint. The gateway has no parameter for what to leave out, so that goes in as words.
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

// references returns the URLs of the reference images as one value. The services split it at bars and commas.
func (r ImageRequest) references() string {
	escape := strings.NewReplacer("|", "%7C", ",", "%2C")
	addresses := make([]string, 0, len(r.ReferenceImages))
	for _, address := range r.ReferenceImages {
		if address = pathSafe(address); address != "" {
			addresses = append(addresses, escape.Replace(address))
		}
	}
	return strings.Join(addresses, "|")
}

// guidance returns the scale as the services read it, or nothing.
func (r ImageRequest) guidance() string {
	if r.GuidanceScale == nil {
		return ""
	}
	return strconv.FormatFloat(*r.GuidanceScale, 'f', -1, 64)
}

// private returns the user's texts in the request.
func (r ImageRequest) private() []string {
	return append([]string{r.text(), r.Prompt, r.Negative}, r.ReferenceImages...)
}

// pathSafe removes what a URL cannot contain: invalid UTF-8 and NULs.
func pathSafe(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
}
