package provider

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// MaxPromptBytes returns the limit of escaped prompts; see pollinations.Client.
func (p *Provider) MaxPromptBytes() int {
	if p.pollinations == nil {
		return 0
	}
	return p.pollinations.MaxPromptBytes()
}

// Listed returns the client that lists the models of the provider; nil for one whose models are in the file.
func (p *Provider) Listed() *pollinations.Client { return p.pollinations }

// Select returns those of the listed models that the provider serves by the file, with the names there.
func (p *Provider) Select(listed []job.Model) []job.Model {
	var models []job.Model
	for _, name := range p.Models.List() {
		own, _ := p.Models.Own(name)
		m, ok := job.FindModel(listed, own)
		if !ok {
			m = job.Model{Name: own}
		}
		if !strings.EqualFold(name, own) {
			m.Name, m.Aliases = name, nil
		}
		models = append(models, m)
	}
	if p.Models.Any {
		for _, m := range listed {
			if i := slices.IndexFunc(models, func(known job.Model) bool { return known.Name == m.Name }); i < 0 {
				models = append(models, m)
			}
		}
	}
	return models
}

// Configured returns the models of a provider whose models are in the file.
func (p *Provider) Configured() []job.Model {
	var models []job.Model
	for _, name := range p.Models.List() {
		m := job.Model{Name: name, Formats: p.Formats, Price: p.Price}
		if p.Upstream == job.UpstreamSpeech {
			m.Voices = p.Voices.List()
			m.AnyVoice = len(m.Voices) == 0
		}
		for _, size := range p.Sizes {
			m.MaxPixels = max(m.MaxPixels, size.Width*size.Height)
		}
		models = append(models, m)
	}
	return models
}

// Offered adds to the models of a provider that it offers them.
func (p *Provider) Offered(models []job.Model) []job.Model {
	offered := make([]job.Model, 0, len(models))
	for _, m := range models {
		m.Offers = []job.Offer{{
			Provider: p.Name, Price: m.Price, MaxPixels: m.MaxPixels, MaxReferenceImages: m.MaxReferenceImages, Voices: m.Voices,
		}}
		offered = append(offered, m)
	}
	return offered
}

// Merge merges the models of providers, in order. A model that several offer can do what any of them can, and has the price
// of the first.
func Merge(lists ...[]job.Model) []job.Model {
	var merged []job.Model
	for _, models := range lists {
		for _, m := range models {
			i := slices.IndexFunc(merged, func(known job.Model) bool { return sameModel(known, m) })
			if i < 0 {
				merged = append(merged, m)
				continue
			}
			merged[i] = join(merged[i], m)
		}
	}
	for i, m := range merged {
		if len(m.Offers) == 1 {
			// Its own properties are those of the model.
			merged[i].Offers = []job.Offer{{Provider: m.Offers[0].Provider, Price: m.Offers[0].Price}}
		}
	}
	return merged
}

// sameModel reports whether two providers mean the same model: a name of one is a name of the other.
func sameModel(x, y job.Model) bool {
	return slices.ContainsFunc(append([]string{y.Name}, y.Aliases...), func(name string) bool {
		_, ok := job.FindModel([]job.Model{x}, name)
		return ok
	})
}

// join returns a model that two providers offer.
func join(x, y job.Model) job.Model {
	if x.MaxPixels == 0 || y.MaxPixels == 0 {
		x.MaxPixels = 0
	} else {
		x.MaxPixels = max(x.MaxPixels, y.MaxPixels)
	}
	x.MaxReferenceImages = max(x.MaxReferenceImages, y.MaxReferenceImages)
	x.Aliases = union(x.Aliases, y.Aliases)
	x.Voices, x.AnyVoice = union(x.Voices, y.Voices), x.AnyVoice || y.AnyVoice
	x.Formats = union(x.Formats, y.Formats)
	x.Title, x.Health = cmp.Or(x.Title, y.Title), cmp.Or(x.Health, y.Health)
	x.PaidOnly = x.PaidOnly && y.PaidOnly
	x.Offers = slices.Concat(x.Offers, y.Offers)
	return x
}

// union returns the strings of both lists. An empty list means that nothing is known, and so does the union with it.
func union(x, y []string) []string {
	if len(x) == 0 || len(y) == 0 {
		return slices.Concat(x, y)
	}
	list := slices.Clone(x)
	for _, s := range y {
		if !slices.ContainsFunc(list, func(known string) bool { return strings.EqualFold(known, s) }) {
			list = append(list, s)
		}
	}
	return list
}

// List returns the models that a provider offers: of the file, or fetched and converted by list. If that fails, it returns the
// models that the catalogue had of it, else the fallback, with the error.
func (p *Provider) List(
	ctx context.Context, previous, fallback []job.Model, list func(context.Context, *pollinations.Client) ([]job.Model, error),
) ([]job.Model, error) {
	if p.pollinations == nil {
		return p.Offered(p.Configured()), nil
	}
	listed, err := list(ctx, p.pollinations)
	if err == nil || len(listed) > 0 {
		return p.Offered(p.Select(listed)), err
	}
	var kept []job.Model
	for _, m := range previous {
		if offer, ok := m.Offer(p.Name); ok {
			m.Offers = []job.Offer{offer}
			kept = append(kept, m)
		}
	}
	if kept == nil {
		kept = p.Offered(p.Select(fallback))
	}
	return kept, err
}
