package pollinations

import (
	"cmp"
	"fmt"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// chatModels lists the language models.
func chatModels() []chat.Model {
	return []chat.Model{
		{Name: "openai", ID: "openai/gpt-5.4-nano", Prices: [3]string{"0.0000002", "0.00000002", "0.00000125"}},
		{Name: "openai-fast", ID: "openai/gpt-5-nano", Prices: [3]string{"0.00000005", "0.000000005", "0.0000004"}},
		{Name: "openai-audio", ID: "openai/gpt-audio-mini", Speaks: true, Prices: [3]string{"0.0000006", "0.0000006", "0.0000024"}},
		{Name: "deepseek", ID: "deepseek/deepseek-v4.1-flash", Prices: [3]string{"0.00000022", "0.000000007", "0.00000066"}},
		{Name: "deepseek-pro", ID: "deepseek/deepseek-v4-pro", Prices: [3]string{"0.00000066", "0.000000022", "0.00000198"}},
		{Name: "mistral", ID: "mistralai/mistral-small-3.2", Prices: [3]string{"0.0000001", "0.0000001", "0.0000003"}},
		{Name: "qwen-coder", ID: "alibaba/qwen3-coder", Prices: [3]string{"0.0000001", "0.0000001", "0.0000003"}},
	}
}

// completeChat serves POST /v1/chat/completions.
func completeChat(x *kit.Exchange) {
	request, err := chat.ReadRequest(x.Body)
	ExpectAudio(x, request)
	if !x.Arrive(request.Model, request.LastUser(), request.System()) {
		return
	}
	if err != nil {
		if field, message, ok := kit.WrongType(err); ok {
			rejectFields(x, "body", fieldErrors{field: {message}})
			return
		}
		x.Fail(badRequest("Malformed JSON in request body"))
		return
	}
	if field, message := request.Check(); field != "" {
		rejectFields(x, "body", fieldErrors{field: {message}})
		return
	}
	name := request.Model
	name = cmp.Or(name, "openai")
	model, known := chat.FindModel(chatModels(), name)
	if !known {
		x.Fail(badRequest(fmt.Sprintf("Invalid model: %q", request.Model)))
		return
	}
	if message := request.CheckAudio(model); message != "" {
		rejectFields(x, "body", fieldErrors{"audio": {message}})
		return
	}
	ChatUpstream().Respond(x, request, model)
}

// ChatUpstream returns how the chats of Pollinations differ from those of others.
func ChatUpstream() chat.Upstream { return chat.Upstream{IDPrefix: "pllns_", UsageOnRequest: true} }

// ExpectAudio marks the exchange as speech if its request asks for audio, before
// the model is known to exist.
func ExpectAudio(x *kit.Exchange, request chat.Request) {
	model, _ := chat.FindModel(chatModels(), request.Model)
	if request.WantsAudio(model) {
		x.Kind, x.InJSON = kit.KindSpeech, true
	}
}
