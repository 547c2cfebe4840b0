package simulator

import (
	"net/http"
	"time"
)

// modelObject describes a model in the gateway's lists. Prices are decimal
// strings.
type modelObject struct {
	Name               string            `json:"name"`
	Aliases            []string          `json:"aliases"`
	Category           string            `json:"category"`
	Publisher          string            `json:"publisher"`
	Community          bool              `json:"community"`
	Title              string            `json:"title"`
	Description        string            `json:"description"`
	InputModalities    []string          `json:"input_modalities"`
	OutputModalities   []string          `json:"output_modalities"`
	SupportedEndpoints []string          `json:"supported_endpoints"`
	Capabilities       []string          `json:"capabilities"`
	Voices             []string          `json:"voices,omitempty"`
	PaidOnly           bool              `json:"paid_only,omitempty"`
	AddedDate          int64             `json:"added_date"`
	Pricing            map[string]string `json:"pricing"`
}

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

// added is when every model of the simulator came, as far as lists say.
func added() int64 { return time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC).UnixMilli() }

// publisher is the part of an id before the slash.
func publisher(id string) string {
	for n, r := range id {
		if r == '/' {
			return id[:n]
		}
	}
	return id
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
func (x *exchange) imageModels() {
	if !x.arrive("", "", "") {
		return
	}
	all, ok := x.community()
	if !ok {
		return
	}
	list := []modelObject{}
	for _, m := range imageModels() {
		if !all {
			break
		}
		list = append(list, modelObject{
			Name: m.id, Aliases: []string{m.name}, Category: "image", Publisher: publisher(m.id), Title: m.title,
			Description: m.title + ", simulated", InputModalities: []string{"text"}, OutputModalities: []string{"image"},
			SupportedEndpoints: []string{"/image/{prompt}", "/v1/images/generations"}, Capabilities: []string{},
			PaidOnly: m.paidOnly, AddedDate: added(), Pricing: map[string]string{"currency": "pollen", "completionImageTokens": m.price},
		})
	}
	x.sendJSON(http.StatusOK, list)
}

// speechModels serves GET /audio/models.
func (x *exchange) speechModels() {
	if !x.arrive("", "", "") {
		return
	}
	all, ok := x.community()
	if !ok {
		return
	}
	list := []modelObject{}
	for _, m := range speechModels() {
		if !all {
			break
		}
		list = append(list, modelObject{
			Name: m.id, Aliases: append([]string{m.name}, m.aliases...), Category: "audio", Publisher: publisher(m.id), Title: m.title,
			Description: m.title + ", simulated", InputModalities: []string{"text"}, OutputModalities: []string{"audio"},
			SupportedEndpoints: []string{"/audio/{text}", "/v1/audio/speech"}, Capabilities: []string{}, Voices: m.voices,
			PaidOnly: true, AddedDate: added(), Pricing: map[string]string{"currency": "pollen", "completionAudioTokens": m.price},
		})
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
