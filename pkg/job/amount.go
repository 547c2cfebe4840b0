package job

import (
	"errors"
	"math/big"
	"strings"
)

// Amount is an amount of money in hundred-millionths of its currency, which is as exact as a cost.
type Amount int64

// amountUnit is the number of units of an Amount in one of its currency.
const amountUnit = 100_000_000

// MaxAmount bounds the amounts that ParseAmount accepts: ten million of the currency.
const MaxAmount = Amount(10_000_000 * amountUnit)

// ParseAmount parses a decimal number such as "0.002". It fails if the number is negative, has more than eight decimals or exceeds
// MaxAmount.
func ParseAmount(s string) (Amount, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok || s == "" || strings.ContainsAny(s, "/eEpPxXoObB_+- ") {
		return 0, errors.New("the amount is not a decimal number")
	}
	r.Mul(r, big.NewRat(amountUnit, 1))
	if !r.IsInt() || r.Cmp(big.NewRat(int64(MaxAmount), 1)) > 0 {
		return 0, errors.New("the amount has more than eight decimals or is too large")
	}
	return Amount(r.Num().Int64()), nil
}

// String returns the amount as a decimal number, in the form of Usage.Cost.
func (a Amount) String() string { return decimal(big.NewRat(int64(a), amountUnit)) }

// Amount returns the cost of a usage; ok is false if that is unknown.
func (u *Usage) Amount() (a Amount, ok bool) {
	if u == nil || u.Cost == "" {
		return 0, false
	}
	a, err := ParseAmount(u.Cost)
	return a, err == nil
}
