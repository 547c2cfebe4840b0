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

// Config configures a run.
type Config struct {
	// Seed decides which faults and requests occur, and when.
	Seed uint64
	// Duration is how long faults are injected and requests sent. Healing and verification follow.
	Duration time.Duration
	// Every is the average time between two faults.
	Every time.Duration
	// Nodes is the number of nats-servers, 1 or 3; 0 tests one API with the embedded NATS, under which the power fails.
	Nodes int
	// Jobs is the maximum number of jobs submitted.
	Jobs int
	// Race builds the programs with the race detector.
	Race bool
	// Keep keeps the directory with logs and data even if the run passes.
	Keep bool
	// Module is the directory of the module to test.
	Module string
	// Only, if not empty, is the only kind of fault to inject.
	Only string
}

// Validate returns all errors at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Duration <= 0 {
		errs = append(errs, errors.New("duration must be positive"))
	}
	if c.Every <= 0 {
		errs = append(errs, errors.New("every must be positive"))
	}
	if c.Nodes != 0 && c.Nodes != 1 && c.Nodes != 3 {
		errs = append(errs, fmt.Errorf("nodes must be 0, 1 or 3, not %d", c.Nodes))
	}
	if c.Jobs < 1 {
		errs = append(errs, errors.New("jobs must be at least 1"))
	}
	if c.Only != "" && !slices.Contains(c.faultNames(), c.Only) {
		errs = append(errs, fmt.Errorf("unknown fault %q; the faults are %s", c.Only, strings.Join(c.faultNames(), ", ")))
	}
	return errors.Join(errs...)
}

// embedded reports whether NATS runs in the API.
func (c *Config) embedded() bool { return c.Nodes == 0 }

// rng returns a random source for one part of the run, so that the parts do not affect each other.
func (c *Config) rng(part uint64) *rand.Rand {
	return rand.New(rand.NewPCG(c.Seed, part)) //nolint:gosec // Must be reproducible.
}

// between returns a random duration.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)+1))
}
