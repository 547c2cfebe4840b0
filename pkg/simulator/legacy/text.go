package legacy

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/pollinations"
)

// findModel finds a model and rejects one that does not exist or requires a tier.
func findModel(x *kit.Exchange, name string) (chat.Model, bool) {
	name = cmp.Or(name, "openai")
	model, known := chat.FindModel(chatModels(), name)
	switch {
	case !known:
		x.Fail(kit.Failure{Status: http.StatusNotFound, Message: "Model not found: " + name + ". See the list of models."})
	case model.Tier != "":
		x.Fail(kit.Failure{
			Status:  http.StatusPaymentRequired,
			Message: fmt.Sprintf("Model not found or tier not high enough. Your tier: anonymous, required tier: %s. See https://enter.invalid", model.Tier),
		})
	default:
		return model, true
	}
	return chat.Model{}, false
}

// textByURL serves GET /{prompt}: text, or the speech of openai-audio.
func textByURL(x *kit.Exchange) {
	prompt, err := url.PathUnescape(x.Rest)
	if err != nil || prompt == "" {
		x.Fail(kit.Failure{Status: http.StatusBadRequest, Message: "The prompt in the path is empty or badly escaped."})
		return
	}
	request := chat.Request{Model: x.Query.Get("model"), Stream: x.Query.Get("stream") == "true"}
	if system := x.Query.Get("system"); system != "" {
		request.Messages = append(request.Messages, chat.Message{Role: "system", Content: chat.NewText(system)})
	}
	request.Messages = append(request.Messages, chat.Message{Role: "user", Content: chat.NewText(prompt)})
	if x.Query.Get("json") == "true" {
		request.ResponseFormat = &chat.Option{Type: "json_object"}
	}
	if voice := x.Query.Get("voice"); voice != "" {
		request.Audio = &chat.AudioOptions{Voice: voice}
	}
	respondPlain(x, request)
}

// textByBody serves POST /, which responds like GET.
func textByBody(x *kit.Exchange) {
	request, err := chat.ReadRequest(x.Body)
	if err != nil {
		request.Messages = nil
	}
	respondPlain(x, request)
}

// respondPlain responds with the text or the speech alone.
func respondPlain(x *kit.Exchange, request chat.Request) {
	pollinations.ExpectAudio(x, request)
	x.InJSON = false
	if !x.Arrive(request.Model, request.LastUser(), request.System()) {
		return
	}
	model, ok := check(x, request)
	if !ok {
		return
	}
	if request.WantsAudio(model) {
		sendSpeech(x, request)
		return
	}
	if request.Stream {
		respond(x, request, model, pollinations.ChatUpstream().Respond)
	} else {
		respond(x, request, model, pollinations.ChatUpstream().RespondText)
	}
}

// completeChat serves POST /openai with a chat completion.
func completeChat(x *kit.Exchange) {
	request, err := chat.ReadRequest(x.Body)
	pollinations.ExpectAudio(x, request)
	if !x.Arrive(request.Model, request.LastUser(), request.System()) {
		return
	}
	if err != nil {
		request.Messages = nil
	}
	if model, ok := check(x, request); ok {
		respond(x, request, model, pollinations.ChatUpstream().Respond)
	}
}

// check rejects an invalid request and returns its model.
func check(x *kit.Exchange, request chat.Request) (chat.Model, bool) {
	if len(request.Messages) == 0 || slices.ContainsFunc(request.Messages, func(m chat.Message) bool { return m.Role == "" }) {
		setHeaders(x)
		x.SendJSON(http.StatusBadRequest, textError{Error: "Invalid messages array", Migration: migrationNotice(x)})
		return chat.Model{}, false
	}
	model, ok := findModel(x, request.Model)
	if !ok {
		return model, false
	}
	if message := request.CheckAudio(model); message != "" {
		x.Fail(kit.Failure{Status: http.StatusBadRequest, Message: message})
		return model, false
	}
	return model, true
}

// respond calls write when the queue of the client address permits.
func respond(x *kit.Exchange, request chat.Request, model chat.Model, write func(*kit.Exchange, chat.Request, chat.Model)) {
	release, ok := x.Turn()
	if !ok {
		return
	}
	defer release()
	setHeaders(x)
	write(x, request, model)
}

// sendSpeech responds with speech alone.
func sendSpeech(x *kit.Exchange, request chat.Request) {
	options, format, key := request.AudioOptions(), "mp3", ""
	if options.Format != "pcm16" {
		format = options.Format
	}
	if x.Request.Method == http.MethodGet {
		key = pollinations.ImageKey(x.Request.URL.EscapedPath(), x.Query)
	}
	if art, origin := pollinations.GenerateSpeech(x, request.Model, options.Voice, format, request.SpokenText(x), key); art != nil {
		sendArtifact(x, art, origin)
	}
}
