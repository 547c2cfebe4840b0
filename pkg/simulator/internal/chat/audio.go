package chat

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/phrase"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// AudioOptions selects the voice and the format of a model that speaks.
type AudioOptions struct {
	Voice  string `json:"voice"`
	Format string `json:"format"`
}

// audio is speech in a message: base64 and its transcript. In a stream it comes
// in parts.
type audio struct {
	ID         string `json:"id,omitempty"`
	Data       string `json:"data,omitempty"`
	Transcript string `json:"transcript,omitempty"`
	Expires    int64  `json:"expires_at,omitempty"`
}

const defaultChatVoice = "alloy"

// Voices returns the voices of openai-audio.
func Voices() []string {
	return strings.Fields("alloy echo fable onyx nova shimmer coral verse ballad ash sage amuch dan")
}

// WantsAudio reports whether the completion is spoken, which the request can
// disable for a model that speaks.
func (r Request) WantsAudio(model Model) bool {
	return model.Speaks && (len(r.Modalities) == 0 || slices.Contains(r.Modalities, "audio"))
}

// AudioOptions returns the options of the request with defaults.
func (r Request) AudioOptions() AudioOptions {
	options := AudioOptions{Voice: defaultChatVoice, Format: "mp3"}
	if r.Stream {
		options.Format = "pcm16"
	}
	if r.Audio != nil && r.Audio.Voice != "" {
		options.Voice = r.Audio.Voice
	}
	if r.Audio != nil && r.Audio.Format != "" {
		options.Format = r.Audio.Format
	}
	return options
}

// CheckAudio returns an error message for invalid options of a spoken completion,
// or the empty string.
func (r Request) CheckAudio(model Model) string {
	if !r.WantsAudio(model) {
		return ""
	}
	options := r.AudioOptions()
	switch {
	case !slices.Contains(Voices(), options.Voice):
		return fmt.Sprintf("Unsupported value: 'audio.voice' does not support '%s'.", options.Voice)
	case r.Stream && options.Format != "pcm16":
		return fmt.Sprintf("Unsupported value: 'audio.format' does not support '%s' when stream=true. Supported values are: 'pcm16'.", options.Format)
	case !slices.Contains([]string{"wav", "aac", "mp3", "flac", "opus", "pcm16"}, options.Format):
		return fmt.Sprintf("Invalid value: '%s'. Supported values are: 'wav', 'aac', 'mp3', 'flac', 'opus', and 'pcm16'.", options.Format)
	}
	return ""
}

// SpokenText returns what a model that speaks says. It reads the user message
// aloud or, with the fault audio_answers, replies to it as a chat model does.
func (r Request) SpokenText(x *kit.Exchange) string {
	if x.Varies(faultAudioAnswers) {
		return "Sure, here is what I think. " + reply(r)
	}
	return phrase.Unwrap(r.LastUser())
}

// speak returns a spoken completion.
func speak(x *kit.Exchange, request Request) *audio {
	text := request.SpokenText(x)
	options := request.AudioOptions()
	format := strings.TrimSuffix(options.Format, "16")
	media := x.Server.Content.Speech(text, options.Voice, format)
	return &audio{
		ID: "audio_" + strings.ReplaceAll(uuid.NewString(), "-", ""), Data: base64.StdEncoding.EncodeToString(media.Bytes),
		Transcript: text, Expires: x.Server.Config.Now().Unix() + 3600,
	}
}

// pieces cuts a spoken completion into the parts of a stream: the transcript, then
// the audio in whole groups of base64.
func (a *audio) pieces() []*audio {
	if a == nil {
		return nil
	}
	const size = 32 << 10
	parts := []*audio{{ID: a.ID, Expires: a.Expires}}
	for _, text := range pieces(a.Transcript) {
		parts = append(parts, &audio{Transcript: text})
	}
	for chunk := range slices.Chunk([]byte(a.Data), size) {
		parts = append(parts, &audio{Data: string(chunk)})
	}
	return parts
}
