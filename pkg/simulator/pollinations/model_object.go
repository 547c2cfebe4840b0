package pollinations

import (
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
)

// modelObject describes a model in a list. Prices are decimal strings: of an image
// or its tokens, of a character of speech, of a second or of a token of text.
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
	Health             map[string]string `json:"health"`
	Pricing            map[string]string `json:"pricing"`
}

// newModelObject returns the description that all models have in common. The
// canonical name is the ID; the short name is one of the aliases.
func newModelObject(category, id, title string, prices map[string]string, aliases ...string) modelObject {
	pricing := map[string]string{"currency": "pollen"}
	for field, price := range prices {
		if price != "" {
			pricing[field] = price
		}
	}
	publisher, _, _ := strings.Cut(id, "/")
	return modelObject{
		Name: id, Aliases: aliases, Category: category, Publisher: publisher, Title: title, Description: title + ", simulated",
		InputModalities: []string{"text"}, OutputModalities: []string{category}, Capabilities: []string{},
		AddedDate: AddedDate(), Health: map[string]string{"status": "healthy"}, Pricing: pricing,
	}
}

// AddedDate returns when every model of the simulator was added, in milliseconds.
func AddedDate() int64 { return time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC).UnixMilli() }

// imageObjects describes the image models, and a video model that is listed among
// them.
func imageObjects() []modelObject {
	var list []modelObject
	for _, m := range imageModels() {
		o := newModelObject("image", m.id, m.title, map[string]string{"completionImageTokens": m.price}, append([]string{m.Name}, m.aliases...)...)
		o.SupportedEndpoints = []string{"/image/{prompt}", "/v1/images/generations"}
		o.PaidOnly, o.MaxReferences, o.FlatRate = m.paidOnly, m.refs, m.tokens == 0
		if m.refs > 0 {
			o.InputModalities = append(o.InputModalities, "image")
			o.SupportedEndpoints = append(o.SupportedEndpoints, "/v1/images/edits")
		}
		if m.degraded {
			o.Health["status"] = "degraded"
		}
		list = append(list, o)
	}
	video := newModelObject("video", "google/veo-3.1-fast", "Veo 3.1 Fast", map[string]string{"completionVideoSeconds": "0.15"}, "veo")
	video.SupportedEndpoints, video.PaidOnly = []string{"/video/{prompt}"}, true
	return append(list, video)
}

// speechObjects describes the speech models, and those for music and sound effects
// that are listed among them and have no voices.
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
	for _, m := range chatModels() {
		o := newModelObject("text", m.ID, m.ID, map[string]string{
			"promptTextTokens": m.Prices[0], "promptCachedTokens": m.Prices[1], "completionTextTokens": m.Prices[2],
		}, m.Name)
		o.SupportedEndpoints = []string{"/v1/chat/completions"}
		if m.Speaks {
			o.InputModalities, o.OutputModalities, o.Voices = []string{"text", "audio"}, []string{"audio", "text"}, chat.Voices()
		}
		list = append(list, o)
	}
	return list
}
