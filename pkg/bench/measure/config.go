//go:build linux

package measure

import (
	"errors"
	"regexp"
	"time"
)

// Config configures a benchmark.
type Config struct {
	// Module is the directory of the module to build.
	Module string
	// Select selects the measurements by name; nil selects all.
	Select *regexp.Regexp
	// Scale is the fraction of the number of jobs, streams and seconds, above 0 and up to 1.
	Scale float64
	// Runs is how often everything is measured; the report has the medians.
	Runs int
	// Dir is where data is stored during the benchmark, which decides which disk is measured; os.TempDir if empty.
	Dir string
}

// Validate returns all errors at once.
func (c *Config) Validate() error {
	var errs []error
	if c.Scale <= 0 || c.Scale > 1 {
		errs = append(errs, errors.New("scale must be above 0 and at most 1"))
	}
	if c.Runs < 1 {
		errs = append(errs, errors.New("runs must be at least 1"))
	}
	for _, m := range measurements() {
		if c.Select == nil || c.Select.MatchString(m.name) {
			return errors.Join(errs...)
		}
	}
	return errors.Join(append(errs, errors.New("no measurement matches"))...)
}

// count scales a number of jobs or streams.
func (c *Config) count(full, least int) int { return max(int(float64(full)*c.Scale), least) }

// duration scales a duration.
func (c *Config) duration(full, least time.Duration) time.Duration {
	return max(time.Duration(float64(full)*c.Scale), least)
}
