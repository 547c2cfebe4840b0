package pollinations

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

const maxSpeechRunes = 10000

// speechBody is the body of POST /v1/audio/speech. Other fields, such as speed, are
// ignored, as Pollinations does.
type speechBody struct {
	Model          string      `json:"model"`
	Input          *string     `json:"input"`
	Voice          string      `json:"voice"`
	ResponseFormat string      `json:"response_format"`
	Seed           json.Number `json:"seed"`
}

// speechByBody serves POST /v1/audio/speech.
func speechByBody(x *kit.Exchange) {
	var body speechBody
	invalid := fieldErrors{}
	badJSON := decode(x.Body, &body, invalid)
	text := ""
	if body.Input != nil {
		text = *body.Input
	}
	if !x.Arrive(body.Model, text, "") {
		return
	}
	if badJSON != nil {
		x.Fail(*badJSON)
		return
	}
	if body.Input == nil && invalid["input"] == nil {
		invalid["input"] = []string{"Invalid input: expected string, received undefined"}
	} else if text == "" && invalid["input"] == nil {
		invalid["input"] = []string{"Too small: expected string to have >=1 characters"}
	}
	checkSpeechFields(body, invalid)
	if len(invalid) > 0 {
		rejectFields(x, "body", invalid)
		return
	}
	key := strings.Join([]string{"speech", body.Model, body.Voice, body.ResponseFormat, body.Seed.String(), text}, "\x00")
	speak(x, body, text, key)
}

// speechByURL serves GET /audio/{text}.
func speechByURL(x *kit.Exchange) {
	text, err := url.PathUnescape(x.Rest)
	if err != nil || text == "" {
		x.Fail(badRequest("The text in the path is empty or badly escaped."))
		return
	}
	body := speechBody{
		Model: x.Query.Get("model"), Voice: x.Query.Get("voice"),
		ResponseFormat: x.Query.Get("response_format"), Seed: json.Number(x.Query.Get("seed")),
	}
	if !x.Arrive(body.Model, text, "") {
		return
	}
	invalid := fieldErrors{}
	checkSpeechFields(body, invalid)
	if len(invalid) > 0 {
		rejectFields(x, "query", invalid)
		return
	}
	speak(x, body, text, ImageKey(x.Request.URL.EscapedPath(), x.Query))
}

// checkSpeechFields checks the fields of both routes, apart from the model and the
// voice, whose errors have another form.
func checkSpeechFields(body speechBody, invalid fieldErrors) {
	if f := body.ResponseFormat; f != "" && !slices.Contains([]string{"mp3", "opus", "aac", "flac", "wav", "pcm"}, f) {
		invalid["response_format"] = []string{`Invalid option: expected one of "mp3"|"opus"|"aac"|"flac"|"wav"|"pcm"`}
	}
	if body.Seed != "" {
		if _, err := strconv.ParseUint(body.Seed.String(), 10, 32); err != nil {
			invalid["seed"] = []string{"Invalid input: expected int between 0 and 4294967295"}
		}
	}
}

// isVoiceID reports whether a voice looks like an ID of ElevenLabs.
func isVoiceID(voice string) bool {
	return len(voice) >= 8 && !strings.ContainsFunc(voice, func(r rune) bool {
		return r > unicode.MaxASCII || (!unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

// speak selects the model, the voice and the format, and sends the audio.
func speak(x *kit.Exchange, body speechBody, text, key string) {
	bad := func(message string) {
		x.Fail(badRequest(message))
	}
	name := body.Model
	isChat := name == "openai-audio"
	if name == "" || (isChat && x.Varies(faultAcceptAudio)) {
		name = defaultSpeechModel
	}
	model, known := findSpeechModel(name)
	switch {
	case isChat && !known:
		bad(`Model "openai-audio" is a text model and cannot be used on the audio endpoint. Use the text endpoint instead.`)
		return
	case !known:
		bad(fmt.Sprintf("Invalid model: %q", body.Model))
		return
	}
	if n := utf8.RuneCountInString(text); n > maxSpeechRunes {
		bad(fmt.Sprintf("Input text too long: %d characters. Maximum is %d.", n, maxSpeechRunes))
		return
	}
	voice := body.Voice
	voice = cmp.Or(voice, model.voice)
	if !slices.Contains(model.voices, voice) && (!model.anyID || !isVoiceID(voice)) {
		bad("Invalid voice: " + voice + ". Use a preset name or valid ElevenLabs voice ID.")
		return
	}
	format := body.ResponseFormat
	switch {
	case format == "" && model.wavOnly:
		format = "wav"
	case format == "":
		format = "mp3"
	case format != "wav" && model.wavOnly:
		bad(fmt.Sprintf("Model %q answers wav only.", model.name))
		return
	}
	if art, origin := GenerateSpeech(x, model.id, voice, format, text, key); art != nil {
		sendArtifact(x, art, origin)
	}
}

// GenerateSpeech returns the audio of a text from the cache or makes it. If
// that fails it responds, unless the client went away, and returns nil.
func GenerateSpeech(x *kit.Exchange, modelID, voice, format, text, key string) (*kit.Artifact, kit.Origin) {
	return x.Generate(key, IsTrue(x.Query.Get("no-cache")), x.Server.Config.Latency.Speech, func(context.Context) (*kit.Artifact, error) {
		return &kit.Artifact{Media: x.Server.Content.Speech(text, voice, format), Header: map[string]string{
			"x-model-used": modelID, "x-tts-voice": voice, "x-usage-completion-audio-tokens": strconv.Itoa(utf8.RuneCountInString(text)),
		}}, nil
	})
}
