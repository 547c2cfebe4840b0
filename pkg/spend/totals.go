package spend

import (
	"errors"
	"math/big"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// totals is the value of a counter.
type totals struct {
	// Cost is that of the jobs whose cost is known; Unpriced is the number of all others.
	Cost                  job.Amount
	Jobs, Units, Unpriced int64
}

// The decimal digits of each part of a packed value. A counter of NATS is a whole number of any size, and one message that changes all
// parts costs less than four.
const (
	costDigits  = 18
	countDigits = 12
)

func powerOfTen(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }

// pack returns the totals as one number. No part may be negative.
func (t totals) pack() *big.Int {
	n := big.NewInt(t.Unpriced)
	for _, part := range []int64{t.Jobs, t.Units} {
		n.Mul(n, powerOfTen(countDigits)).Add(n, big.NewInt(part))
	}
	return n.Mul(n, powerOfTen(costDigits)).Add(n, big.NewInt(int64(t.Cost)))
}

// unpack returns the totals of a packed value.
func unpack(value string) (t totals, err error) {
	n, ok := new(big.Int).SetString(value, 10)
	if !ok || n.Sign() < 0 {
		return totals{}, errors.New("a counter of costs has no valid value")
	}
	part := new(big.Int)
	n.DivMod(n, powerOfTen(costDigits), part)
	t.Cost = job.Amount(part.Int64())
	for _, into := range []*int64{&t.Units, &t.Jobs} {
		n.DivMod(n, powerOfTen(countDigits), part)
		*into = part.Int64()
	}
	t.Unpriced = n.Int64()
	return t, nil
}

func (t *totals) add(other totals) {
	t.Cost += other.Cost
	t.Jobs += other.Jobs
	t.Units += other.Units
	t.Unpriced += other.Unpriced
}
