package legacy

import (
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/pollinations"
)

// chatModels lists the language models.
func chatModels() []chat.Model {
	return []chat.Model{
		{Name: "openai", ID: "openai"},
		{Name: "openai-fast", ID: "openai-fast"},
		{Name: "mistral", ID: "mistral"},
		{Name: "openai-audio", ID: "openai-audio", Speaks: true},
		{Name: "deepseek", ID: "deepseek", Tier: "seed"},
	}
}

// imageModels serves GET /models of the image host: the names alone.
func imageModels(x *kit.Exchange) {
	if !x.Arrive("", "", "") {
		return
	}
	setHeaders(x)
	x.SendJSON(http.StatusOK, []string{"flux", "kontext", "turbo", "sana"})
}

// textModels serves GET /models of the text host.
func textModels(x *kit.Exchange) {
	if !x.Arrive("", "", "") {
		return
	}
	type described struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Tier        string   `json:"tier"`
		Aliases     []string `json:"aliases"`
		Inputs      []string `json:"input_modalities"`
		Outputs     []string `json:"output_modalities"`
		Tools       bool     `json:"tools"`
		Vision      bool     `json:"vision"`
		Audio       bool     `json:"audio"`
		Voices      []string `json:"voices,omitempty"`
	}
	var list []described
	for _, m := range chatModels() {
		d := described{
			Name: m.Name, Description: m.Name + ", simulated", Tier: "anonymous", Aliases: []string{m.Name + "-latest"},
			Inputs: []string{"text"}, Outputs: []string{"text"}, Tools: true, Audio: m.Speaks,
		}
		if m.Tier != "" {
			d.Tier = m.Tier
		}
		if m.Speaks {
			d.Inputs, d.Outputs, d.Voices = append(d.Inputs, "audio"), append([]string{"audio"}, d.Outputs...), chat.Voices()
		}
		list = append(list, d)
	}
	setHeaders(x)
	x.SendJSON(http.StatusOK, list)
}

// modelIDs serves GET /openai/models.
func modelIDs(x *kit.Exchange) {
	if !x.Arrive("", "", "") {
		return
	}
	setHeaders(x)
	x.SendJSON(http.StatusOK, chat.NewList(pollinations.AddedDate()/1000, "", chat.IDs(chatModels())...))
}
