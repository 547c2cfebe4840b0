package simulator

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// siliconFlowChatModels lists SiliconFlow's models; the name has the
// namespace of who made the model.
func siliconFlowChatModels() []chatModel {
	var models []chatModel
	for _, m := range []struct {
		id     string
		thinks bool
	}{
		{"deepseek-ai/DeepSeek-V4-Flash", true},
		{"deepseek-ai/DeepSeek-V4-Pro", true},
		{"deepseek-ai/DeepSeek-V3.2", true},
		{"deepseek-ai/DeepSeek-V3.1-Terminus", true},
		{"deepseek-ai/DeepSeek-V3", false},
		{"deepseek-ai/DeepSeek-R1", true},
	} {
		models = append(models, chatModel{name: m.id, id: m.id, thinks: m.thinks}, chatModel{name: "Pro/" + m.id, id: "Pro/" + m.id, thinks: m.thinks})
	}
	return models
}

// siliconFlowChat serves POST /v1/chat/completions of SiliconFlow.
func (x *exchange) siliconFlowChat() {
	request, err := readChat(x.body)
	if !x.arrive(request.Model, request.lastUser(), request.system()) {
		return
	}
	if err != nil {
		x.refuse(badParameter("Value error, " + deserializeFault(err)))
		return
	}
	model, known := findChatModel(siliconFlowChatModels(), request.Model)
	if !known || !strings.Contains(request.Model, "/") {
		x.refuse(noSuchModel())
		return
	}
	if fault := request.siliconFlowFault(); fault != "" {
		x.refuse(badParameter("Value error, " + fault))
		return
	}
	if x.behaves(faultNoThinking) && (request.Thinking != nil || request.EnableThinking != nil) {
		x.refuse(badParameter("Value error, current model does not support being told about thinking."))
		return
	}
	if tokens := request.promptTokens(); tokens >= maxSiliconFlowTokens {
		x.refuse(tooManyTokens(tokens))
		return
	}
	// DeepSeek's own field is not known here, and dropped.
	request.Thinking = nil
	if request.EnableThinking != nil && !*request.EnableThinking {
		model.thinks = false
	}
	x.converse(request, model)
}

// siliconFlowFault finds the first parameter out of SiliconFlow's ranges.
func (r chatRequest) siliconFlowFault() string {
	thinking := r
	thinking.Thinking = nil
	_, message := thinking.check()
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

// siliconFlowModels serves GET /v1/models of SiliconFlow.
func (x *exchange) siliconFlowModels() {
	if !x.arrive("", "", "") || !x.authorize() {
		return
	}
	list := modelList{Object: "list"}
	for _, m := range siliconFlowChatModels() {
		list.Data = append(list.Data, listedModel{ID: m.id, Object: "model"})
	}
	x.sendJSON(http.StatusOK, list)
}

// siliconFlowAccount serves GET /v1/user/info, whose amounts are strings.
func (x *exchange) siliconFlowAccount() {
	if !x.arrive("", "", "") || !x.authorize() {
		return
	}
	type account struct {
		ID            string `json:"id"`
		Name          string `json:"name"`
		Email         string `json:"email"`
		IsAdmin       bool   `json:"isAdmin"`
		Balance       string `json:"balance"`
		Status        string `json:"status"`
		ChargeBalance string `json:"chargeBalance"`
		TotalBalance  string `json:"totalBalance"`
	}
	amount := strconv.FormatFloat(x.s.config.Balance, 'f', 2, 64)
	x.sendJSON(http.StatusOK, map[string]any{
		"code": 20000, "message": "OK", "status": true,
		"data": account{ID: "simulated", Name: "simulated", Balance: "0.00", Status: "normal", ChargeBalance: amount, TotalBalance: amount},
	})
}
