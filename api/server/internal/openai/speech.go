package openai

import (
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// SpeechRequest is the body of POST /v1/audio/speech.
type SpeechRequest struct {
	Model string `json:"model"`
	Input string `json:"input"`
	// Voice is a string, or an object with the id of a voice.
	Voice          *bind.Node `json:"voice"`
	ResponseFormat string     `json:"response_format"`
	Speed          *float64   `json:"speed"`
	StreamFormat   string     `json:"stream_format"`
}

// StreamEvents is the stream_format of a response as events.
const StreamEvents = "sse"

// JobInput returns the input of the job for a request, whose faults it adds to b, under the names of the request.
func (r *SpeechRequest) JobInput(b *bind.Binder) *job.AudioInput {
	choose(b, "/stream_format", r.StreamFormat, "audio", StreamEvents)
	return &job.AudioInput{Text: r.Input, Model: r.Model, Voice: r.voice(b), Speed: r.Speed, Format: r.ResponseFormat}
}

func (r *SpeechRequest) voice(b *bind.Binder) string {
	if r.Voice == nil {
		return ""
	}
	if r.Voice.Kind == bind.Object {
		for _, m := range r.Voice.Members {
			if m.Name == "id" && m.Value.Kind == bind.String {
				return m.Value.Text
			}
		}
	}
	if r.Voice.Kind != bind.String {
		b.Add("/voice", "wrong_type", "want", string(bind.String))
		return ""
	}
	return r.Voice.Text
}

// speechFields are the names of the fields of a speech request by those of the input.
var speechFields = map[string]string{"/text": "/input", "/format": "/response_format"}

// SpeechFaults returns the faults of the input of a request under the names of the request.
func SpeechFaults(faults []job.FieldError) []job.FieldError { return rename(faults, speechFields) }

// voices are the names of OpenAI's voices, each with the one that takes its place where only the others exist.
var voices = map[string]string{
	"alloy": "", "ash": "echo", "ballad": "fable", "coral": "nova", "echo": "", "fable": "", "onyx": "", "nova": "",
	"sage": "shimmer", "shimmer": "", "verse": "echo", "marin": "nova", "cedar": "onyx",
}

// Voice returns the voice of a model for a voice of OpenAI that the model does not have under this name: the most similar name, or
// otherwise the fallback or any voice. It returns every other name unchanged.
func Voice(m job.Model, name, fallback string) string {
	similar, known := voices[strings.ToLower(name)]
	if !known || m.TakesVoice(name) || len(m.Voices) == 0 {
		return name
	}
	for _, candidate := range []string{name, similar, fallback} {
		i := slices.IndexFunc(m.Voices, func(voice string) bool {
			// Some models put the language and the gender before the name: af_alloy.
			return candidate != "" && (strings.EqualFold(voice, candidate) || strings.HasSuffix(strings.ToLower(voice), "_"+strings.ToLower(candidate)))
		})
		if i >= 0 {
			return m.Voices[i]
		}
	}
	return m.Voices[0]
}

// SpeechType returns the content type of speech. Raw samples have no header, so their format is in the parameters.
func SpeechType(m job.Media, contentType string) string {
	if m.SampleRate == 0 {
		return contentType
	}
	return mime.FormatMediaType(contentType, map[string]string{"rate": strconv.Itoa(m.SampleRate), "channels": strconv.Itoa(m.Channels)})
}

// SpeechDelta is the event speech.audio.delta, a part of the audio file in base64.
type SpeechDelta struct {
	Type  string `json:"type"`
	Audio string `json:"audio"`
}

// SpeechDone is the event speech.audio.done.
type SpeechDone struct {
	Type  string      `json:"type"`
	Usage SpeechUsage `json:"usage"`
}

// SpeechUsage is required in events. Nothing is counted in tokens here, so it is always zero.
type SpeechUsage struct {
	InputTokens  int `json:"input_tokens"`
	OutputTokens int `json:"output_tokens"`
	TotalTokens  int `json:"total_tokens"`
}
