package simulator

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// legacyModel finds the model and refuses one that there is not, or not for
// everybody.
func (x *exchange) legacyModel(name string) (chatModel, bool) {
	if name == "" {
		name = "openai"
	}
	model, known := findChatModel(legacyChatModels(), name)
	switch {
	case !known:
		x.refuse(failure{status: http.StatusNotFound, message: "Model not found: " + name + ". See the list of models."})
	case model.tier != "":
		x.refuse(failure{
			status:  http.StatusPaymentRequired,
			message: fmt.Sprintf("Model not found or tier not high enough. Your tier: anonymous, required tier: %s. See https://enter.invalid", model.tier),
		})
	default:
		return model, true
	}
	return chatModel{}, false
}

// legacyTextByURL serves GET /{prompt}: text, or sound by openai-audio.
func (x *exchange) legacyTextByURL() {
	prompt, err := url.PathUnescape(x.rest)
	if err != nil || prompt == "" {
		x.refuse(failure{status: http.StatusBadRequest, message: "The prompt in the path is empty or badly escaped."})
		return
	}
	request := chatRequest{Model: x.query.Get("model"), Stream: x.query.Get("stream") == "true"}
	if system := x.query.Get("system"); system != "" {
		request.Messages = append(request.Messages, chatMessage{Role: "system", Content: messageContent{text: system, present: true}})
	}
	request.Messages = append(request.Messages, chatMessage{Role: "user", Content: messageContent{text: prompt, present: true}})
	if x.query.Get("json") == "true" {
		request.ResponseFormat = &typed{Type: "json_object"}
	}
	if voice := x.query.Get("voice"); voice != "" {
		request.Audio = &soundOptions{Voice: voice}
	}
	x.legacyPlain(request)
}

// legacyTextByBody serves POST /, which is answered like GET.
func (x *exchange) legacyTextByBody() {
	request, err := readChat(x.body)
	if err != nil {
		request.Messages = nil
	}
	x.legacyPlain(request)
}

// legacyPlain answers with nothing around the text or the sound.
func (x *exchange) legacyPlain(request chatRequest) {
	x.expectSound(request)
	x.spoken = false
	if !x.arrive(request.Model, request.lastUser(), request.system()) {
		return
	}
	model, ok := x.legacyReady(request)
	if !ok {
		return
	}
	if request.wantsSound(model) {
		x.legacySpeech(request)
		return
	}
	x.plain = !request.Stream
	x.legacyConverse(request, model)
}

// legacyChat serves POST /openai, which is answered as a chat completion.
func (x *exchange) legacyChat() {
	request, err := readChat(x.body)
	x.expectSound(request)
	if !x.arrive(request.Model, request.lastUser(), request.system()) {
		return
	}
	if err != nil {
		request.Messages = nil
	}
	if model, ok := x.legacyReady(request); ok {
		x.legacyConverse(request, model)
	}
}

// legacyReady refuses what cannot be answered.
func (x *exchange) legacyReady(request chatRequest) (chatModel, bool) {
	if len(request.Messages) == 0 || slices.ContainsFunc(request.Messages, func(m chatMessage) bool { return m.Role == "" }) {
		x.legacyHeaders()
		x.sendJSON(http.StatusBadRequest, legacyTextError{Error: "Invalid messages array", Migration: x.moved()})
		return chatModel{}, false
	}
	model, ok := x.legacyModel(request.Model)
	if !ok {
		return model, false
	}
	if message := request.soundFault(model); message != "" {
		x.refuse(failure{status: http.StatusBadRequest, message: message})
		return model, false
	}
	return model, true
}

// legacyConverse answers when it is the turn of the address.
func (x *exchange) legacyConverse(request chatRequest, model chatModel) {
	leave, err := x.turn(x.r.Context())
	if err != nil {
		x.refuseTurn(err) // Otherwise the client went away.
		return
	}
	defer leave()
	x.legacyHeaders()
	x.converse(request, model)
}

// legacySpeech answers with sound alone.
func (x *exchange) legacySpeech(request chatRequest) {
	text, options := content.Unwrap(request.lastUser()), request.sound()
	if x.behaves(faultAudioAnswers) {
		text = "Sure, here is what I think. " + reply(request)
	}
	format := "mp3"
	if options.Format != "pcm16" {
		format = options.Format
	}
	key := ""
	if x.r.Method == http.MethodGet {
		key = imageKey(x.r.URL.EscapedPath(), x.query)
	}
	x.sound(speechModel{id: request.Model}, options.Voice, format, text, key)
}
