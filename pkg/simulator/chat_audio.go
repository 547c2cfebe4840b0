package simulator

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// soundOptions is what a chat asks of a model that speaks.
type soundOptions struct {
	Voice  string `json:"voice"`
	Format string `json:"format"`
}

// messageSound is speech within a chat answer: base64 and what it says. In a
// stream it comes in parts.
type messageSound struct {
	ID         string `json:"id,omitempty"`
	Data       string `json:"data,omitempty"`
	Transcript string `json:"transcript,omitempty"`
	Expires    int64  `json:"expires_at,omitempty"`
}

const defaultChatVoice = "alloy"

// chatVoices are the voices of openai-audio.
func chatVoices() []string {
	return strings.Fields("alloy echo fable onyx nova shimmer coral verse ballad ash sage amuch dan")
}

// expectSound marks the exchange as speech when its body asks for some,
// before the model is known to exist.
func (x *exchange) expectSound(request chatRequest) {
	model, _ := findChatModel(gatewayChatModels(), request.Model)
	if request.wantsSound(model) {
		x.kind, x.spoken = KindSpeech, true
	}
}

// wantsSound reports whether the answer is spoken: a model that speaks does
// unless it is told to write.
func (r chatRequest) wantsSound(model chatModel) bool {
	return model.speaks && (len(r.Modalities) == 0 || slices.Contains(r.Modalities, "audio"))
}

// sound fills in what the request leaves open.
func (r chatRequest) sound() soundOptions {
	options := soundOptions{Voice: defaultChatVoice, Format: "mp3"}
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

// soundFault says what is wrong with the options of a spoken answer.
func (r chatRequest) soundFault(model chatModel) string {
	if !r.wantsSound(model) {
		return ""
	}
	options := r.sound()
	switch {
	case !slices.Contains(chatVoices(), options.Voice):
		return fmt.Sprintf("Unsupported value: 'audio.voice' does not support '%s'.", options.Voice)
	case r.Stream && options.Format != "pcm16":
		return fmt.Sprintf("Unsupported value: 'audio.format' does not support '%s' when stream=true. Supported values are: 'pcm16'.", options.Format)
	case !slices.Contains([]string{"wav", "aac", "mp3", "flac", "opus", "pcm16"}, options.Format):
		return fmt.Sprintf("Invalid value: '%s'. Supported values are: 'wav', 'aac', 'mp3', 'flac', 'opus', and 'pcm16'.", options.Format)
	}
	return ""
}

// say speaks an answer. The model reads what the user wrote, or, being a
// chat model, answers it when a rule says so.
func (x *exchange) say(request chatRequest) *messageSound {
	text := content.Unwrap(request.lastUser())
	if x.behaves(faultAudioAnswers) {
		text = "Sure, here is what I think. " + reply(request)
	}
	options := request.sound()
	format := strings.TrimSuffix(options.Format, "16")
	media := x.s.content.Speech(text, options.Voice, format)
	return &messageSound{
		ID: "audio_" + strings.ReplaceAll(newUUID(), "-", ""), Data: base64.StdEncoding.EncodeToString(media.Bytes),
		Transcript: text, Expires: x.s.config.Now().Unix() + 3600,
	}
}

// pieces cuts a spoken answer into the parts of a stream: what is said, and
// then the sound in whole groups of base64.
func (s *messageSound) pieces() []*messageSound {
	if s == nil {
		return nil
	}
	const size = 32 << 10
	parts := []*messageSound{{ID: s.ID, Expires: s.Expires}}
	for _, said := range pieces(s.Transcript) {
		parts = append(parts, &messageSound{Transcript: said})
	}
	for chunk := range slices.Chunk([]byte(s.Data), size) {
		parts = append(parts, &messageSound{Data: string(chunk)})
	}
	return parts
}
