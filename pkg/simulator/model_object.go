package simulator

import (
	"strings"
	"time"
)

// modelObject describes a model in the gateway's lists. Prices are decimal
// strings: of a picture or its tokens, of a character spoken, of a second or
// of a token of text.
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
	MaxReferences      int               `json:"max_reference_images,omitempty"`
	PaidOnly           bool              `json:"paid_only,omitempty"`
	PerUserRPM         int               `json:"per_user_rpm,omitempty"`
	FlatRate           bool              `json:"flat_rate,omitempty"`
	AddedDate          int64             `json:"added_date"`
	Health             modelHealth       `json:"health"`
	Pricing            map[string]string `json:"pricing"`
}

// modelHealth says how a model does.
type modelHealth struct {
	Status string `json:"status"`
}

// newModelObject fills in what all models have alike. The canonical name is
// the id; the short name and the aliases stay aliases.
func newModelObject(category, id, title string, prices map[string]string, aliases ...string) modelObject {
	pricing := map[string]string{"currency": "pollen"}
	for field, price := range prices {
		if price != "" {
			pricing[field] = price
		}
	}
	return modelObject{
		Name: id, Aliases: aliases, Category: category, Publisher: publisher(id), Title: title, Description: title + ", simulated",
		InputModalities: []string{"text"}, OutputModalities: []string{category}, Capabilities: []string{},
		AddedDate: added(), Health: modelHealth{Status: "healthy"}, Pricing: pricing,
	}
}

// added is when every model of the simulator came, as far as lists say.
func added() int64 { return time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC).UnixMilli() }

// publisher is the part of an id before the slash.
func publisher(id string) string {
	before, _, _ := strings.Cut(id, "/")
	return before
}

// imageObjects describes the models that draw, and one that films: it is
// listed among them but never draws.
func imageObjects() []modelObject {
	var list []modelObject
	for _, m := range imageModels() {
		o := newModelObject("image", m.id, m.title, map[string]string{"completionImageTokens": m.price}, append([]string{m.name}, m.aliases...)...)
		o.SupportedEndpoints = []string{"/image/{prompt}", "/v1/images/generations"}
		o.PaidOnly, o.MaxReferences, o.FlatRate = m.paidOnly, m.refs, m.tokens == 0
		if m.refs > 0 {
			o.InputModalities = append(o.InputModalities, "image")
		}
		if m.ailing {
			o.Health.Status = "degraded"
		}
		list = append(list, o)
	}
	film := newModelObject("video", "google/veo-3.1-fast", "Veo 3.1 Fast", map[string]string{"completionVideoSeconds": "0.15"}, "veo")
	film.SupportedEndpoints, film.PaidOnly = []string{"/video/{prompt}"}, true
	return append(list, film)
}

// speechObjects describes the models that speak, and those that make music
// and noises: they are listed among them, have no voices and never speak.
func speechObjects() []modelObject {
	endpoints := []string{"/audio/{text}", "/v1/audio/speech"}
	var list []modelObject
	for _, m := range speechModels() {
		o := newModelObject("audio", m.id, m.title, map[string]string{"completionAudioTokens": m.price}, append([]string{m.name}, m.aliases...)...)
		o.SupportedEndpoints, o.Voices, o.PaidOnly, o.PerUserRPM = endpoints, m.voices, true, m.rpm
		list = append(list, o)
	}
	for _, m := range []struct {
		name, id, title, price string
		flat                   bool
	}{
		{"elevenmusic", "elevenlabs/eleven-music", "Eleven Music", "0.0025", false},
		{"eleven-sfx", "elevenlabs/eleven-sfx", "Eleven Sound Effects", "0.002", false},
		{"lyria-3-clip", "google/lyria-3-clip", "Lyria 3 Clip", "0.04", true},
		{"stable-audio-3-medium", "stability/stable-audio-3-medium", "Stable Audio 3 Medium", "0.0376", true},
	} {
		field := "completionAudioSeconds"
		if m.flat {
			field = "completionAudioTokens"
		}
		o := newModelObject("audio", m.id, m.title, map[string]string{field: m.price}, m.name)
		o.SupportedEndpoints, o.PaidOnly, o.FlatRate = endpoints, true, m.flat
		list = append(list, o)
	}
	return list
}

// textObjects describes the language models.
func textObjects() []modelObject {
	var list []modelObject
	for _, m := range gatewayChatModels() {
		o := newModelObject("text", m.id, m.id, map[string]string{
			"promptTextTokens": m.prices[0], "promptCachedTokens": m.prices[1], "completionTextTokens": m.prices[2],
		}, m.name)
		o.SupportedEndpoints = []string{"/v1/chat/completions"}
		if m.speaks {
			o.InputModalities, o.OutputModalities, o.Voices = []string{"text", "audio"}, []string{"audio", "text"}, chatVoices()
		}
		list = append(list, o)
	}
	return list
}
