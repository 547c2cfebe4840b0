package job

import (
	"math/big"
	"unicode/utf8"
)

// CostBasis is what an estimated cost is based on.
type CostBasis string

// The bases.
const (
	// CostListed is the cost by the price list, which is that of the job if all of it succeeds.
	CostListed CostBasis = "price_list"
	// CostAtMost is the cost of the most tokens that an image may have, of a model that is priced by tokens.
	CostAtMost CostBasis = "upper_bound"
	// CostUnknown is that of a job without a price: the model has none in the list, and neither has a language model.
	CostUnknown CostBasis = "unknown"
)

// Estimate is what a job is going to use.
type Estimate struct {
	// Usage has the cost unless Basis is CostUnknown.
	Usage Usage
	Basis CostBasis
}

const (
	// tokenArea is the area of the largest images for which OpenAI publishes how many tokens they have, in pixels.
	tokenArea = 1024 * 1536
	// usualTokens is the number of tokens of such an image at low and medium quality, and bestTokens that at high quality. Those of
	// other vendors have fewer.
	usualTokens, bestTokens = 1584, 6240
)

// Estimate returns what a job with the image is going to use by the prices of a catalogue. The input must be complete. Improving
// its prompt has no price.
func (in *ImageInput) Estimate(c *Catalogue) Estimate {
	m, _ := c.ImageModel(in.Model)
	return m.dearest(Usage{Images: in.Count()}, func(e *Estimate, p *Price) {
		// Each image is rounded for itself, as in its usage.
		switch count := int64(in.Count()); {
		case p.PerImage != "":
			e.set(CostListed, p, Cost(p.PerImage, big.NewRat(1, 1)), count)
		case p.PerToken != "":
			e.set(CostAtMost, p, Cost(p.PerToken, big.NewRat(in.maxTokens(), 1)), count)
		}
	})
}

// dearest returns the estimate at the price of the model, which set sets, or at the highest price in the same currency if several
// providers offer the model: any of them may serve.
func (m *Model) dearest(usage Usage, set func(*Estimate, *Price)) Estimate {
	e := Estimate{Usage: usage, Basis: CostUnknown}
	if m.Price == nil {
		return e
	}
	set(&e, m.Price)
	cost, known := e.Usage.Amount()
	for _, o := range m.Offers {
		if o.Price == nil || o.Price.Currency != m.Price.Currency || !known {
			continue
		}
		x := Estimate{Usage: usage, Basis: CostUnknown}
		set(&x, o.Price)
		other, ok := x.Usage.Amount()
		if !ok || other == cost {
			continue
		}
		if other > cost {
			e, cost = x, other
		}
		e.Basis = CostAtMost
	}
	return e
}

// maxTokens returns the most tokens that one of the images may have.
func (in *ImageInput) maxTokens() int64 {
	width, height := in.Size()
	tokens := int64(usualTokens)
	if in.Quality == "high" || in.Quality == "hd" {
		tokens = bestTokens
	}
	return tokens * int64((width*height+tokenArea-1)/tokenArea)
}

// Estimate returns what a job with the speech is going to use by the prices of a catalogue. The input must be complete.
func (in *AudioInput) Estimate(c *Catalogue) Estimate {
	characters := utf8.RuneCountInString(in.Text)
	m, _ := c.SpeechModel(in.Model)
	return m.dearest(Usage{Characters: characters}, func(e *Estimate, p *Price) {
		const thousand = 1000
		if p.PerThousandCharacters != "" {
			e.set(CostListed, p, Cost(p.PerThousandCharacters, big.NewRat(int64(characters), thousand)), 1)
		}
	})
}

// Estimate returns that the cost is unknown: the catalogue has no prices of language models.
func (in *TextInput) Estimate(*Catalogue) Estimate { return Estimate{Basis: CostUnknown} }

// set sets the cost of count times one, unless that is no number.
func (e *Estimate) set(basis CostBasis, price *Price, one string, count int64) {
	if one != "" {
		e.Basis, e.Usage.Cost, e.Usage.Currency = basis, Cost(one, big.NewRat(count, 1)), price.Currency
	}
}

// SumEstimates returns the estimate of several jobs together, and how many of them have no known cost, which it leaves out.
func SumEstimates(list []Estimate) (sum Estimate, unknown int) {
	usages := make([]*Usage, len(list))
	sum.Basis = CostListed
	for i := range list {
		usages[i] = &list[i].Usage
		switch list[i].Basis {
		case CostUnknown:
			unknown++
		case CostAtMost:
			sum.Basis = CostAtMost
		case CostListed:
		}
	}
	if total := Sum(usages...); total != nil {
		sum.Usage = *total
	}
	if sum.Usage.Cost == "" {
		sum.Basis = CostUnknown
	}
	return sum, unknown
}
