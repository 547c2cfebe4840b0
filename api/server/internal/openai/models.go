package openai

import (
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ModelList is the response of GET /v1/models.
type ModelList struct {
	Object string  `json:"object"`
	Data   []Model `json:"data"`
}

// Model is a model of a ModelList.
type Model struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	// Created is when the list was fetched from the upstream, in seconds since 1970; 0 for the built-in list.
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// Type is "image" or "speech". It is not part of the OpenAI API.
	Type string `json:"type"`
}

const owner = "pollinations"

// Models returns the list of the models that requests can name.
func Models(c *job.Catalogue) ModelList {
	list := ModelList{Object: "list", Data: []Model{}}
	for _, of := range families(c) {
		for _, m := range of.models {
			if m.ReplacedBy == "" {
				list.Data = append(list.Data, modelOf(c, m, m.Name, of.name))
			}
		}
	}
	return list
}

// FindModel returns the model with a name or alias, under that name.
func FindModel(c *job.Catalogue, name string) (Model, bool) {
	for _, of := range families(c) {
		if m, ok := job.FindModel(of.models, name); ok && m.ReplacedBy == "" {
			return modelOf(c, m, name, of.name), true
		}
	}
	return Model{}, false
}

// family is the models of one kind of job.
type family struct {
	name   string
	models []job.Model
}

func families(c *job.Catalogue) []family {
	return []family{{"image", c.Images}, {"speech", c.Speech}}
}

func modelOf(c *job.Catalogue, m job.Model, name, kind string) Model {
	v := Model{ID: name, Object: "model", OwnedBy: owner, Type: kind}
	if c.UpdatedAt != nil {
		v.Created = c.UpdatedAt.Unix()
	}
	for _, alias := range append([]string{m.Name}, m.Aliases...) {
		// The upstream's own names have the form publisher/model.
		if publisher, _, ok := strings.Cut(alias, "/"); ok && publisher != "" {
			v.OwnedBy = publisher
			break
		}
	}
	return v
}
