package simulator

import "net/http"

// legacyChatModels lists the language models of the legacy host.
func legacyChatModels() []chatModel {
	return []chatModel{
		{name: "openai", id: "openai"},
		{name: "openai-fast", id: "openai-fast"},
		{name: "mistral", id: "mistral"},
		{name: "openai-audio", id: "openai-audio", speaks: true},
		{name: "deepseek", id: "deepseek", tier: "seed"},
	}
}

// legacyImageModels serves GET /models: names and nothing else.
func (x *exchange) legacyImageModels() {
	if !x.arrive("", "", "") {
		return
	}
	x.legacyHeaders()
	x.sendJSON(http.StatusOK, []string{"flux", "kontext", "turbo", "sana"})
}

// legacyTextModels serves GET /models.
func (x *exchange) legacyTextModels() {
	if !x.arrive("", "", "") {
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
	for _, m := range legacyChatModels() {
		d := described{
			Name: m.name, Description: m.name + ", simulated", Tier: "anonymous", Aliases: []string{m.name + "-latest"},
			Inputs: []string{"text"}, Outputs: []string{"text"}, Tools: true, Audio: m.speaks,
		}
		if m.tier != "" {
			d.Tier = m.tier
		}
		if m.speaks {
			d.Inputs, d.Outputs, d.Voices = append(d.Inputs, "audio"), append([]string{"audio"}, d.Outputs...), chatVoices()
		}
		list = append(list, d)
	}
	x.legacyHeaders()
	x.sendJSON(http.StatusOK, list)
}

// legacyModelList serves GET /openai/models.
func (x *exchange) legacyModelList() {
	if !x.arrive("", "", "") {
		return
	}
	list := modelList{Object: "list"}
	for _, m := range legacyChatModels() {
		list.Data = append(list.Data, listedModel{ID: m.id, Object: "model", Created: added() / 1000})
	}
	x.legacyHeaders()
	x.sendJSON(http.StatusOK, list)
}
