// Package siliconflow simulates api.siliconflow.cn: chats, the model list and the
// account.
package siliconflow

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// Prefix is the path below which the host is served, BasePath the one that
// clients configure.
const (
	Prefix   = "/siliconflow"
	BasePath = Prefix + "/v1"
)

// faultNoThinking is a variation: parameters about thinking are rejected.
const faultNoThinking = "thinking_refused"

// New returns the host.
func New() *kit.Host {
	return &kit.Host{
		Dialect: kit.DialectSiliconFlow, Prefix: Prefix, BasePath: BasePath,
		Routes: []kit.Route{
			{Method: http.MethodPost, Path: "/v1/chat/completions", Kind: kit.KindChat, Handle: complete},
			{Method: http.MethodGet, Path: "/v1/models", Kind: kit.KindModels, Handle: kit.JSON(true, listModels)},
			{Method: http.MethodGet, Path: "/v1/user/info", Kind: kit.KindAccount, Handle: kit.JSON(true, userInfo)},
		},
		Authorize: authorize, WriteFailure: writeFailure, Failures: failures(), Faults: kit.Variations(faultNoThinking),
	}
}

// chatModels lists the models, whose names begin with the publisher.
func chatModels() []chat.Model {
	var models []chat.Model
	for _, name := range []string{"DeepSeek-V4-Flash", "DeepSeek-V4-Pro", "DeepSeek-V3.2", "DeepSeek-V3.1-Terminus", "DeepSeek-V3", "DeepSeek-R1"} {
		for _, id := range []string{"deepseek-ai/" + name, "Pro/deepseek-ai/" + name} {
			models = append(models, chat.Model{Name: id, ID: id, Reasons: name != "DeepSeek-V3"})
		}
	}
	return models
}

// complete serves POST /v1/chat/completions.
func complete(x *kit.Exchange) {
	request, err := chat.ReadRequest(x.Body)
	if !x.Arrive(request.Model, request.LastUser(), request.System()) {
		return
	}
	if err != nil {
		x.Fail(badParameter("Value error, " + chat.DecodingError(err)))
		return
	}
	model, known := chat.FindModel(chatModels(), request.Model)
	if !known || !strings.Contains(request.Model, "/") {
		x.Fail(noSuchModel())
		return
	}
	if message := check(request); message != "" {
		x.Fail(badParameter("Value error, " + message))
		return
	}
	if x.Varies(faultNoThinking) && (request.Thinking != nil || request.EnableThinking != nil) {
		x.Fail(badParameter("Value error, current model does not support being told about thinking."))
		return
	}
	if tokens := request.PromptTokens(); tokens >= maxTokens {
		x.Fail(tooManyTokens(tokens))
		return
	}
	// The field of DeepSeek is ignored.
	request.Thinking = nil
	if request.EnableThinking != nil && !*request.EnableThinking {
		model.Reasons = false
	}
	chat.Upstream{}.Respond(x, request, model)
}

// check returns an error message for the first parameter out of range, or the empty
// string.
func check(r chat.Request) string {
	thinking := r
	thinking.Thinking = nil
	_, message := thinking.Check()
	switch {
	case message != "":
		return message
	case len(r.Stop) > 4:
		return "stop: at most 4 sequences are allowed"
	case r.ThinkingBudget != nil && (*r.ThinkingBudget < 128 || *r.ThinkingBudget > 32768):
		return "thinking_budget: expected a number between 128 and 32768"
	case r.Effort != "" && !slices.Contains([]string{"high", "max"}, r.Effort):
		return "reasoning_effort: expected high or max"
	}
	return ""
}

// listModels serves GET /v1/models.
func listModels(*kit.Exchange) any {
	return chat.List(0, "", chat.IDs(chatModels())...)
}

// userInfo serves GET /v1/user/info, whose amounts are strings.
func userInfo(x *kit.Exchange) any {
	amount := strconv.FormatFloat(x.Server.Config.Balance, 'f', 2, 64)
	return map[string]any{
		"code": 20000, "message": "OK", "status": true,
		"data": map[string]any{
			"id": "simulated", "name": "simulated", "email": "", "isAdmin": false, "balance": "0.00", "status": "normal",
			"chargeBalance": amount, "totalBalance": amount,
		},
	}
}
