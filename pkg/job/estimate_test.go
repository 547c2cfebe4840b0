package job_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestEstimates(t *testing.T) {
	t.Parallel()
	c := &job.Catalogue{
		Images: []job.Model{
			{Name: "flux", Aliases: []string{"black-forest/flux"}, Price: &job.Price{Currency: "pollen", PerImage: "0.002"}},
			{Name: "gpt", Price: &job.Price{Currency: "pollen", PerToken: "0.000008"}},
			{Name: "fine", Price: &job.Price{Currency: "pollen", PerImage: "0.000000015"}},
			{Name: "odd", Price: &job.Price{Currency: "pollen", PerImage: "1/3"}},
			{Name: "free"},
			{Name: "offered", Price: &job.Price{Currency: "pollen", PerImage: "0.002"}, Offers: []job.Offer{
				{Provider: "a", Price: &job.Price{Currency: "pollen", PerImage: "0.002"}},
				{Provider: "b", Price: &job.Price{Currency: "pollen", PerImage: "0.005"}},
				{Provider: "c", Price: &job.Price{Currency: "USD", PerImage: "7"}},
				{Provider: "d"},
			}},
		},
		Speech: []job.Model{{Name: "eleven", Price: &job.Price{Currency: "USD", PerThousandCharacters: "0.1"}}, {Name: "music", Price: &job.Price{Currency: "USD"}}},
	}
	image := func(model string, n, width, height int, quality string) job.Input {
		return &job.ImageInput{Prompt: "p", Model: model, N: &n, Width: &width, Height: &height, Quality: quality}
	}
	speech := func(model, text string) job.Input { return &job.AudioInput{Text: text, Model: model} }
	for _, test := range []struct {
		in    job.Input
		cost  string
		basis job.CostBasis
	}{
		{image("flux", 1, 1024, 1024, ""), "0.002", job.CostListed},
		{image("black-forest/flux", 4, 64, 64, "hd"), "0.008", job.CostListed},
		{image("gpt", 1, 1024, 1024, ""), "0.012672", job.CostAtMost},
		{image("gpt", 2, 1024, 1537, "medium"), "0.050688", job.CostAtMost},
		{image("gpt", 1, 1024, 1536, "high"), "0.04992", job.CostAtMost},
		{image("fine", 4, 64, 64, ""), "0.00000008", job.CostListed}, // Each image is rounded, as its usage is.
		{image("odd", 1, 64, 64, ""), "", job.CostUnknown},
		{image("offered", 2, 64, 64, ""), "0.01", job.CostAtMost},
		{image("free", 1, 64, 64, ""), "", job.CostUnknown},
		{image("gone", 1, 64, 64, ""), "", job.CostUnknown},
		{speech("eleven", "été!"), "0.0004", job.CostListed},
		{speech("music", "la"), "", job.CostUnknown},
		{&job.TextInput{Text: "t"}, "", job.CostUnknown},
	} {
		e := test.in.Estimate(c)
		if e.Usage.Cost != test.cost || e.Basis != test.basis || (e.Usage.Currency == "") != (test.cost == "") {
			t.Errorf("%+v: %+v, want %q by %s", test.in, e, test.cost, test.basis)
		}
	}
	sum, unknown := job.SumEstimates([]job.Estimate{
		image("flux", 2, 64, 64, "").Estimate(c), image("gpt", 1, 64, 64, "").Estimate(c), speech("music", "la").Estimate(c),
	})
	if sum.Usage.Cost != "0.016672" || sum.Basis != job.CostAtMost || unknown != 1 || sum.Usage.Images != 3 || sum.Usage.Characters != 2 {
		t.Errorf("%+v, %d", sum, unknown)
	}
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]job.Amount{"0": 0, "0.00000001": 1, "1": 100_000_000, "12.5": 1_250_000_000, "10000000": job.MaxAmount} {
		if got, err := job.ParseAmount(text); err != nil || got != want || got.String() != text {
			t.Errorf("%s: %d (%s), %v", text, got, got, err)
		}
	}
	for _, text := range []string{"", " 1", "-1", "+1", "1e3", "1/2", "0x1", "1_0", "0.000000001", "10000000.1", "x"} {
		if got, err := job.ParseAmount(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
