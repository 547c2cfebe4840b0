package job

import (
	"math/big"
	"strings"
)

// costDecimals is the number of decimals of a cost.
const costDecimals = 8

// Cost returns count × price as a decimal number, or "" if price is not a decimal number.
func Cost(price string, count *big.Rat) string {
	p, ok := new(big.Rat).SetString(price)
	if !ok || strings.ContainsAny(price, "/eE") {
		return ""
	}
	return decimal(p.Mul(p, count))
}

// Sum returns the sum of usages, ignoring nil; the sum of none is nil. Its cost is the sum of the known costs, or empty if they
// are in different currencies.
func Sum(usages ...*Usage) *Usage {
	var sum *Usage
	cost, priced, mixed := new(big.Rat), false, false
	for _, u := range usages {
		if u == nil {
			continue
		}
		if sum == nil {
			sum = &Usage{}
		}
		sum.Images += u.Images
		sum.Characters += u.Characters
		sum.PromptTokens += u.PromptTokens
		sum.CompletionTokens += u.CompletionTokens
		sum.Cached += u.Cached
		part, ok := new(big.Rat).SetString(u.Cost)
		if !ok {
			continue
		}
		mixed = mixed || (priced && u.Currency != sum.Currency)
		priced, sum.Currency = true, u.Currency
		cost.Add(cost, part)
	}
	if sum == nil {
		return nil
	}
	switch {
	case mixed:
		sum.Currency = ""
	case priced:
		sum.Cost = decimal(cost)
	}
	return sum
}

func decimal(r *big.Rat) string {
	s := r.FloatString(costDecimals)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
