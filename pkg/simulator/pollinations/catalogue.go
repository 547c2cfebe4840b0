package pollinations

import (
	"net/http"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/chat"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// listModels serves a list of models with their descriptions.
func listModels(lists ...func() []modelObject) func(*kit.Exchange) {
	return func(x *kit.Exchange) {
		if !x.Arrive("", "", "") {
			return
		}
		models := []modelObject{}
		switch x.Query.Get("community") {
		case "", "false", "0":
			for _, list := range lists {
				models = append(models, list()...)
			}
		case "true", "1": // No simulated model is a community model.
		default:
			rejectFields(x, "query", fieldErrors{"community": {"Invalid option: expected one of \"true\"|\"false\"|\"1\"|\"0\""}})
			return
		}
		x.SendJSON(http.StatusOK, models)
	}
}

// modelIDs serves GET /v1/models.
func modelIDs(*kit.Exchange) any {
	ids := chat.IDs(chatModels())
	for _, m := range imageModels() {
		ids = append(ids, m.id)
	}
	for _, m := range speechModels() {
		ids = append(ids, m.id)
	}
	return chat.List(AddedDate(), "", ids...)
}
