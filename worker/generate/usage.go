package generate

import (
	"context"
	"math/big"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// imageUsage returns the usage of an image, with its cost if the catalogue has the model's price.
func (g *Generator) imageUsage(ctx context.Context, model string, m *pollinations.Media) *job.Usage {
	usage := &job.Usage{Images: 1}
	known, _ := g.models(ctx).ImageModel(model)
	price := known.Price
	if price == nil {
		price = &job.Price{}
	}
	counted := new(big.Rat)
	if counted.SetFloat64(m.Usage.ImageTokens) == nil {
		counted = new(big.Rat)
	}
	switch {
	case price.PerImage != "":
		usage.Cost = job.Cost(price.PerImage, big.NewRat(1, 1))
	case price.PerToken != "" && counted.Sign() > 0:
		usage.Cost = job.Cost(price.PerToken, counted)
	}
	return billed(usage, price.Currency, m.CacheHit)
}

// speechUsage returns the usage of speech, with its cost if the catalogue has the model's price.
func (g *Generator) speechUsage(ctx context.Context, in *job.AudioInput, m *pollinations.Media) *job.Usage {
	usage := &job.Usage{Characters: utf8.RuneCountInString(in.Text)}
	if counted := int(m.Usage.AudioCharacters); counted > 0 {
		usage.Characters = counted
	}
	currency := ""
	if known, _ := g.models(ctx).SpeechModel(in.Model); known.Price != nil {
		const thousand = 1000
		currency = known.Price.Currency
		usage.Cost = job.Cost(known.Price.PerThousandCharacters, big.NewRat(int64(usage.Characters), thousand))
	}
	return billed(usage, currency, m.CacheHit)
}

// billed adds the currency to a usage. A response from the upstream's cache costs nothing.
func billed(usage *job.Usage, currency string, cached bool) *job.Usage {
	if cached {
		usage.Cached = 1
		if usage.Cost != "" {
			usage.Cost = "0"
		}
	}
	if usage.Cost != "" {
		usage.Currency = currency
	}
	return usage
}

func textUsage(c deepseek.Completion) *job.Usage {
	if c.PromptTokens == 0 && c.CompletionTokens == 0 {
		return nil
	}
	return &job.Usage{PromptTokens: c.PromptTokens, CompletionTokens: c.CompletionTokens}
}

// models returns the catalogue, an empty one if there is none.
func (g *Generator) models(ctx context.Context) *job.Catalogue {
	if g.Catalogue == nil {
		return &job.Catalogue{}
	}
	return g.Catalogue(ctx)
}
