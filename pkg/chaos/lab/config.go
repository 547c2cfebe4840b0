//go:build unix

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Config says what to try.
type Config struct {
	// Seed decides which faults and requests come and when.
	Seed uint64
	// Duration is how long faults and requests come; healing and comparing follow.
	Duration time.Duration
	// Every is how much time lies between two faults on average.
	Every time.Duration
	// Nodes is the number of nats-servers, 1 or 3.
	Nodes int
	// Jobs is how many jobs are submitted at the most.
	Jobs int
	// Race builds the programs with the race detector.
	Race bool
	// Keep keeps the directory with logs and data even when nothing is wrong.
	Keep bool
	// Module is the directory of the module whose programs are tried.
	Module string
	// Only, when it is not empty, is the one kind of fault that comes.
	Only string
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Duration <= 0 {
		errs = append(errs, errors.New("duration must be above zero"))
	}
	if c.Every <= 0 {
		errs = append(errs, errors.New("every must be above zero"))
	}
	if c.Nodes != 1 && c.Nodes != 3 {
		errs = append(errs, fmt.Errorf("nodes must be 1 or 3, not %d", c.Nodes))
	}
	if c.Jobs < 1 {
		errs = append(errs, errors.New("jobs must be at least 1"))
	}
	if c.Only != "" && !slices.Contains(faultNames(), c.Only) {
		errs = append(errs, fmt.Errorf("unknown fault %q; the faults are %s", c.Only, strings.Join(faultNames(), ", ")))
	}
	return errors.Join(errs...)
}

// dice returns a source of chance of its own for one part of the laboratory, so that the parts do not disturb each other.
func (c *Config) dice(part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(c.Seed, part)) //nolint:gosec // Repeatable, not secret.
}

// between draws a duration.
func between(dice *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(dice.Int64N(int64(high-low)+1))
}
