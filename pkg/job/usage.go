package job

import (
	"math/big"
	"strings"
)

// costDecimals is how many decimals a cost keeps.
const costDecimals = 8

// Cost returns count × price as a decimal number, or "" when price is none.
func Cost(price string, count *big.Rat) string {
	p, ok := new(big.Rat).SetString(price)
	if !ok || strings.ContainsAny(price, "/eE") {
		return ""
	}
	return decimal(p.Mul(p, count))
}

// Sum adds usages up; nil ones count for nothing, and the sum of nothing is nil. Costs of different currencies cannot be
// added, and a sum with an unknown part has no cost: it would be too low.
func Sum(usages ...*Usage) *Usage {
	var sum *Usage
	cost, known := new(big.Rat), true
	for _, u := range usages {
		if u == nil {
			continue
		}
		if sum == nil {
			sum = &Usage{Currency: u.Currency}
		}
		sum.Images += u.Images
		sum.Characters += u.Characters
		sum.PromptTokens += u.PromptTokens
		sum.CompletionTokens += u.CompletionTokens
		sum.Cached += u.Cached
		part, ok := new(big.Rat).SetString(u.Cost)
		if !ok || u.Currency != sum.Currency {
			known = false
			continue
		}
		cost.Add(cost, part)
	}
	if sum == nil {
		return nil
	}
	if known {
		sum.Cost = decimal(cost)
	} else {
		sum.Currency = ""
	}
	return sum
}

func decimal(r *big.Rat) string {
	s := r.FloatString(costDecimals)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
