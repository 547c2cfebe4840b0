package generate

import (
	"context"
	"math/big"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// priceOf returns the price of a model at the provider that served; nil if it is unknown.
func priceOf(m job.Model, served *provider.Provider) *job.Price {
	if served == nil {
		return m.Price
	}
	return served.PriceOf(m)
}

// imageUsage returns the usage of an image, with its cost if the price is known.
func imageUsage(price *job.Price, m *media.Media) *job.Usage {
	usage := &job.Usage{Images: 1}
	if price == nil {
		price = &job.Price{}
	}
	if price.PerImage != "" {
		usage.Cost = job.Cost(price.PerImage, big.NewRat(1, 1))
	} else if price.PerToken != "" {
		// It is nil for an infinite number.
		if counted := new(big.Rat).SetFloat64(m.Usage.ImageTokens); counted != nil && counted.Sign() > 0 {
			usage.Cost = job.Cost(price.PerToken, counted)
		}
	}
	return billed(usage, price.Currency, m.CacheHit)
}

// speechUsage returns the usage of speech, with its cost if the price is known.
func speechUsage(price *job.Price, in *job.AudioInput, m *media.Media) *job.Usage {
	usage := &job.Usage{Characters: utf8.RuneCountInString(in.Text)}
	if counted := int(m.Usage.AudioCharacters); counted > 0 {
		usage.Characters = counted
	}
	currency := ""
	if price != nil {
		const thousand = 1000
		currency = price.Currency
		usage.Cost = job.Cost(price.PerThousandCharacters, big.NewRat(int64(usage.Characters), thousand))
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
