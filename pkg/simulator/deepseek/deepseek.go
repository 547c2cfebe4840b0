// Package deepseek simulates api.deepseek.com: chats, the model list and the
// balance.
package deepseek

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// Prefix is the path below which the host is served.
const Prefix = "/deepseek"

type host struct {
	mu      sync.Mutex
	systems map[string]bool // system messages seen before
}

// New returns the host.
func New() *kit.Host {
	h := &host{systems: map[string]bool{}}
	var routes []kit.Route
	for _, base := range []string{"", "/v1"} {
		routes = append(routes,
			kit.Route{Method: http.MethodPost, Path: base + "/chat/completions", Kind: kit.KindChat, Handle: h.complete},
			kit.Route{Method: http.MethodGet, Path: base + "/models", Kind: kit.KindModels, Handle: kit.JSON(false, listModels)},
			kit.Route{Method: http.MethodGet, Path: base + "/user/balance", Kind: kit.KindAccount, Handle: kit.JSON(true, balance)},
		)
	}
	return &kit.Host{
		Dialect: kit.DialectDeepSeek, Prefix: Prefix, BasePath: Prefix, Routes: routes,
		Authorize: authorize, WriteFailure: writeFailure, Failures: failures(),
		Adapt: func(f kit.Failure) kit.Failure {
			if f.Status == http.StatusTooManyRequests {
				f.Type = "rate_limit_error"
			}
			return kit.Failure{Status: f.Status, Message: f.Message, Type: f.Type, Header: f.Header}
		},
	}
}

// chatModels lists the models. The ID is what a completion names. The first two
// are those that the model list shows.
func chatModels() []chat.Model {
	return []chat.Model{
		{Name: "deepseek-flash", ID: "deepseek-flash", Reasons: true},
		{Name: "deepseek-v4-pro", ID: "deepseek-v4-pro", Reasons: true},
		{Name: "deepseek-v4-flash", ID: "deepseek-v4-flash", Reasons: true},
		{Name: "deepseek-v4-flash-vision-exp", ID: "deepseek-v4-flash-vision-exp", Reasons: true},
	}
}

// complete serves POST /chat/completions.
func (h *host) complete(x *kit.Exchange) {
	request, err := chat.ReadRequest(x.Body)
	if !x.Arrive(request.Model, request.LastUser(), request.System()) {
		return
	}
	if err != nil {
		line, column := kit.JSONPosition(x.Body, err)
		x.Fail(kit.Failure{Status: http.StatusBadRequest, Message: fmt.Sprintf("Failed to deserialize the JSON body into the target type: %s at line %d column %d", chat.DecodingError(err), line, column)})
		return
	}
	if field, message := request.Check(); field != "" {
		status := http.StatusUnprocessableEntity
		if field == "messages" || field == "response_format" {
			status = http.StatusBadRequest
		}
		x.Fail(kit.Failure{Status: status, Message: message})
		return
	}
	model, known := chat.FindModel(chatModels(), request.Model)
	if !known {
		message := "Model Not Exist"
		if request.Model == "deepseek-chat" || request.Model == "deepseek-reasoner" {
			message = "The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed " + request.Model + "."
		}
		x.Fail(kit.Failure{Status: http.StatusBadRequest, Message: message})
		return
	}
	chat.Upstream{CachedTokens: h.cachedTokens}.Respond(x, request, model)
}

// listModels serves GET /models, which shows no aliases.
func listModels(*kit.Exchange) any {
	return chat.List(0, "deepseek", chat.IDs(chatModels()[:2])...)
}

// balance serves GET /user/balance, whose amounts are strings.
func balance(x *kit.Exchange) any {
	amount := strconv.FormatFloat(x.Server.Config.Balance, 'f', 2, 64)
	return map[string]any{
		"is_available":  x.Server.Config.Balance > 0,
		"balance_infos": []map[string]string{{"currency": "CNY", "total_balance": amount, "granted_balance": "0.00", "topped_up_balance": amount}},
	}
}

const (
	prefixBlock = 64 // tokens
	maxPrefixes = 1000
)

// cachedTokens returns the cached tokens of a system message, in blocks of 64, and
// remembers the message: it is cached from now on.
func (h *host) cachedTokens(system string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.systems[system] {
		return chat.CountTokens(system) / prefixBlock * prefixBlock
	}
	if len(h.systems) >= maxPrefixes {
		clear(h.systems)
	}
	h.systems[system] = true
	return 0
}
