package legacy

import (
	"cmp"

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
func imageModels(x *kit.Exchange) any {
	setHeaders(x)
	return []string{"flux", "kontext", "turbo", "sana"}
}

// textModels serves GET /models of the text host.
func textModels(x *kit.Exchange) any {
	var list []map[string]any
	for _, m := range chatModels() {
		d := map[string]any{
			"name": m.Name, "description": m.Name + ", simulated", "tier": cmp.Or(m.Tier, "anonymous"), "aliases": []string{m.Name + "-latest"},
			"input_modalities": []string{"text"}, "output_modalities": []string{"text"}, "tools": true, "vision": false, "audio": m.Speaks,
		}
		if m.Speaks {
			d["input_modalities"], d["output_modalities"], d["voices"] = []string{"text", "audio"}, []string{"audio", "text"}, chat.Voices()
		}
		list = append(list, d)
	}
	setHeaders(x)
	return list
}

// modelIDs serves GET /openai/models.
func modelIDs(x *kit.Exchange) any {
	setHeaders(x)
	return chat.List(pollinations.AddedDate()/1000, "", chat.IDs(chatModels())...)
}
