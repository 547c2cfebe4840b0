package simulator

import (
	"net/http"
	"slices"
)

// listedModel is an entry of an OpenAI-shaped list. The gateway's created is
// in milliseconds; DeepSeek has an owner instead.
type listedModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created,omitempty"`
	OwnedBy string `json:"owned_by,omitempty"`
}

type modelList struct {
	Object string        `json:"object"`
	Data   []listedModel `json:"data"`
}

// community checks the one parameter of the lists. No simulated model is a
// community's, so that "true" leaves none.
func (x *exchange) community() (all, ok bool) {
	switch x.query.Get("community") {
	case "", "false", "0":
		return true, true
	case "true", "1":
		return false, true
	default:
		x.refuseFields("query", map[string][]string{"community": {"Invalid option: expected one of \"true\"|\"false\"|\"1\"|\"0\""}})
		return false, false
	}
}

// imageModels serves GET /image/models.
func (x *exchange) imageModels() { x.listModels(imageObjects()) }

// speechModels serves GET /audio/models.
func (x *exchange) speechModels() { x.listModels(speechObjects()) }

// textModels serves GET /text/models.
func (x *exchange) textModels() { x.listModels(textObjects()) }

// allModels serves GET /models.
func (x *exchange) allModels() {
	x.listModels(slices.Concat(imageObjects(), speechObjects(), textObjects()))
}

// listModels answers with the described models.
func (x *exchange) listModels(list []modelObject) {
	if !x.arrive("", "", "") {
		return
	}
	all, ok := x.community()
	if !ok {
		return
	}
	if !all {
		list = []modelObject{}
	}
	x.sendJSON(http.StatusOK, list)
}

// gatewayModels serves GET /v1/models.
func (x *exchange) gatewayModels() {
	if !x.arrive("", "", "") {
		return
	}
	list := modelList{Object: "list"}
	add := func(id string) { list.Data = append(list.Data, listedModel{ID: id, Object: "model", Created: added()}) }
	for _, m := range gatewayChatModels() {
		add(m.id)
	}
	for _, m := range imageModels() {
		add(m.id)
	}
	for _, m := range speechModels() {
		add(m.id)
	}
	x.sendJSON(http.StatusOK, list)
}

// deepSeekModels serves DeepSeek's list, which shows no aliases.
func (x *exchange) deepSeekModels() {
	if !x.arrive("", "", "") {
		return
	}
	list := modelList{Object: "list"}
	for _, m := range deepSeekChatModels()[:2] {
		list.Data = append(list.Data, listedModel{ID: m.id, Object: "model", OwnedBy: "deepseek"})
	}
	x.sendJSON(http.StatusOK, list)
}
