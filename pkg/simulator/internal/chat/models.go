package chat

// Model is a language model of an upstream.
type Model struct {
	Name    string
	ID      string
	Reasons bool
	Speaks  bool
	Tier    string    // that the legacy host requires; empty means none
	Prices  [3]string // per token of the prompt, the cached prompt and the completion, at Pollinations
}

// FindModel returns the model with a name or an ID.
func FindModel(models []Model, name string) (Model, bool) {
	for _, m := range models {
		if name == m.Name || name == m.ID {
			return m, true
		}
	}
	return Model{}, false
}

// IDs returns the IDs of models.
func IDs(models []Model) []string {
	var ids []string
	for _, m := range models {
		ids = append(ids, m.ID)
	}
	return ids
}

// List returns a list of the models with the given IDs in the format of OpenAI.
func List(created int64, ownedBy string, ids ...string) any {
	type listed struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created,omitempty"`
		OwnedBy string `json:"owned_by,omitempty"`
	}
	var data []listed
	for _, id := range ids {
		data = append(data, listed{ID: id, Object: "model", Created: created, OwnedBy: ownedBy})
	}
	return map[string]any{"object": "list", "data": data}
}
