package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxSpeechRunes = 10000

// speechBody is the body of POST /v1/audio/speech. What is not named here,
// speed among it, is dropped as upstream drops it.
type speechBody struct {
	Model          string      `json:"model"`
	Input          *string     `json:"input"`
	Voice          string      `json:"voice"`
	ResponseFormat string      `json:"response_format"`
	Seed           json.Number `json:"seed"`
}

// speechByBody serves POST /v1/audio/speech.
func (x *exchange) speechByBody() {
	var body speechBody
	faults := map[string][]string{}
	badJSON := decodeGateway(x.body, &body, faults)
	text := ""
	if body.Input != nil {
		text = *body.Input
	}
	if !x.arrive(body.Model, text, "") {
		return
	}
	if badJSON != nil {
		x.refuse(*badJSON)
		return
	}
	if body.Input == nil && faults["input"] == nil {
		faults["input"] = []string{"Invalid input: expected string, received undefined"}
	} else if text == "" && faults["input"] == nil {
		faults["input"] = []string{"Too small: expected string to have >=1 characters"}
	}
	checkSpeechFields(body, faults)
	if len(faults) > 0 {
		x.refuseFields("body", faults)
		return
	}
	key := strings.Join([]string{"speech", body.Model, body.Voice, body.ResponseFormat, body.Seed.String(), text}, "\x00")
	x.speak(body, text, key)
}

// speechByURL serves GET /audio/{text}.
func (x *exchange) speechByURL() {
	text, err := url.PathUnescape(x.rest)
	if err != nil || text == "" {
		x.refuse(failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "The text in the path is empty or badly escaped."})
		return
	}
	body := speechBody{
		Model: x.query.Get("model"), Voice: x.query.Get("voice"),
		ResponseFormat: x.query.Get("response_format"), Seed: json.Number(x.query.Get("seed")),
	}
	if !x.arrive(body.Model, text, "") {
		return
	}
	faults := map[string][]string{}
	checkSpeechFields(body, faults)
	if len(faults) > 0 {
		x.refuseFields("query", faults)
		return
	}
	x.speak(body, text, imageKey(x.r.URL.EscapedPath(), x.query))
}

// checkSpeechFields checks what both routes share, apart from the model and
// the voice, whose refusals are worded differently.
func checkSpeechFields(body speechBody, faults map[string][]string) {
	if f := body.ResponseFormat; f != "" && !slices.Contains([]string{"mp3", "opus", "aac", "flac", "wav", "pcm"}, f) {
		faults["response_format"] = []string{`Invalid option: expected one of "mp3"|"opus"|"aac"|"flac"|"wav"|"pcm"`}
	}
	if body.Seed != "" {
		if _, err := strconv.ParseUint(body.Seed.String(), 10, 32); err != nil {
			faults["seed"] = []string{"Invalid input: expected int between 0 and 4294967295"}
		}
	}
}

// isVoiceID reports whether a voice looks like an id of ElevenLabs.
func isVoiceID(voice string) bool {
	return len(voice) >= 8 && !strings.ContainsFunc(voice, func(r rune) bool {
		return r > unicode.MaxASCII || (!unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

// speak settles model, voice and format, and answers with the sound.
func (x *exchange) speak(body speechBody, text, key string) {
	bad := func(message string) {
		x.refuse(failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: message})
	}
	name := body.Model
	isChat := name == "openai-audio"
	if name == "" || (isChat && x.behaves(faultAcceptAudio)) {
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
	if voice == "" {
		voice = model.voice
	}
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
	x.sound(model, voice, format, text, key)
}

// sound gets the artifact through the cache and sends it.
func (x *exchange) sound(model speechModel, voice, format, text, key string) {
	rule := x.rule
	art, from, err := x.s.cache.fetch(x.r.Context(), key, isTrue(x.query.Get("no-cache")), func(ctx context.Context) (*artifact, error) {
		leave, err := x.turn(ctx)
		if err != nil {
			return nil, fmt.Errorf("wait for a turn: %w", err)
		}
		defer leave()
		if err := rule.wait(ctx); err != nil {
			return nil, fmt.Errorf("wait by rule: %w", err)
		}
		if err := pause(ctx, x.s.dice.draw(x.s.config.Latency.Speech)); err != nil {
			return nil, fmt.Errorf("wait for latency: %w", err)
		}
		x.s.made[KindSpeech.index()].Add(1)
		return &artifact{Media: x.s.content.Speech(text, voice, format), header: map[string]string{
			"x-model-used": model.id, "x-tts-voice": voice, "x-usage-completion-audio-tokens": strconv.Itoa(utf8.RuneCountInString(text)),
		}}, nil
	})
	if err != nil {
		x.failedGeneration(err)
		return
	}
	x.note(func(c *Call) { c.Cache = string(from) })
	if x.dialect.legacy() {
		x.sendLegacy(art, from)
		return
	}
	x.sendArtifact(art, from)
}
