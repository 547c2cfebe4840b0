package env_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// retries has settings whose names are prefixes of one another, and rules about several of them.
type retries struct {
	Max      int           `env:"FETCH_RETRY_MAX" envDefault:"8" alias:"RETRY_MAX_ATTEMPTS"`
	Delay    time.Duration `env:"FETCH_RETRY_MAX_DELAY_MS" envDefault:"60000"`
	Key      env.Secret    `env:"KEY" alias:"API_KEY"`
	KeyLimit int           `env:"KEY_LIMIT" envDefault:"1"`
	Slots    int           `env:"SLOTS" envDefault:"4"`
	rules    error
}

func (r *retries) Validate() error { return r.rules }

func TestLoadReportsEveryFaultByItsVariable(t *testing.T) {
	t.Parallel()
	fault := func(name, expected string) error { return &env.Fault{Name: name, Expected: expected} }
	const (
		most  = "FETCH_RETRY_MAX: expected a whole number of at most 2147483647"
		delay = "FETCH_RETRY_MAX_DELAY_MS: expected a whole number of milliseconds, such as 1500"
	)
	tests := map[string]struct {
		environ string
		rules   error
		want    []string
	}{
		"a longer name": {
			"FETCH_RETRY_MAX=x", fault("FETCH_RETRY_MAX_DELAY_MS", "at least a millisecond"),
			[]string{most, "FETCH_RETRY_MAX_DELAY_MS: expected at least a millisecond"},
		},
		"a shorter name": {
			"FETCH_RETRY_MAX_DELAY_MS=x", fault("FETCH_RETRY_MAX", "at least 1"),
			[]string{delay, "FETCH_RETRY_MAX: expected at least 1"},
		},
		"both at once": {
			"FETCH_RETRY_MAX=x FETCH_RETRY_MAX_DELAY_MS=x", errors.Join(fault("FETCH_RETRY_MAX", "at least 1"), fault("FETCH_RETRY_MAX_DELAY_MS", "more")),
			[]string{most, delay},
		},
		"the same variable": {"FETCH_RETRY_MAX=x", fault("FETCH_RETRY_MAX", "at least 1"), []string{most}},
		"a fault that mentions another variable": {
			"FETCH_RETRY_MAX=x", fault("SLOTS", "no more than FETCH_RETRY_MAX"),
			[]string{most, "SLOTS: expected no more than FETCH_RETRY_MAX"},
		},
		"an error without a type": {
			"FETCH_RETRY_MAX=x", errors.New("FETCH_RETRY_MAX must be at least 1"), []string{most},
		},
		"an error without a type, of a longer name": {
			"FETCH_RETRY_MAX=x", errors.New("FETCH_RETRY_MAX_DELAY_MS must be longer than nothing"),
			[]string{most, "FETCH_RETRY_MAX_DELAY_MS must be longer than nothing"},
		},
		"an error without a type that mentions another variable": {
			"FETCH_RETRY_MAX=x", errors.New("SLOTS must not be above FETCH_RETRY_MAX"),
			[]string{most, "SLOTS must not be above FETCH_RETRY_MAX"},
		},
		"an error that names nothing": {"FETCH_RETRY_MAX=x", errors.New("no"), []string{most, "no"}},
		"an alias": {
			"RETRY_MAX_ATTEMPTS=x", errors.Join(fault("FETCH_RETRY_MAX", "at least 1"), fault("RETRY_MAX_ATTEMPTS", "at least 1")),
			[]string{"RETRY_MAX_ATTEMPTS: expected a whole number of at most 2147483647"},
		},
		"a file": {
			"KEY_FILE=/nonexistent", errors.Join(fault("KEY", "a key"), fault("KEY_FILE", "a file"), fault("KEY_LIMIT", "at most what KEY allows")),
			[]string{"KEY_FILE: expected a readable file: no such file or directory", "KEY_LIMIT: expected at most what KEY allows"},
		},
		"a file of an alias": {
			"API_KEY_FILE=/nonexistent", errors.Join(fault("KEY", "a key"), fault("KEY_LIMIT", "at least 1")),
			[]string{"API_KEY_FILE: expected a readable file: no such file or directory", "KEY_LIMIT: expected at least 1"},
		},
		"wrapped": {
			"FETCH_RETRY_MAX=x", errors.Join(fmt.Errorf("retries: %w", fault("FETCH_RETRY_MAX", "at least 1")), fmt.Errorf("retries: %w", fault("SLOTS", "at least 1"))),
			[]string{most, "retries: SLOTS: expected at least 1"},
		},
		"wrapped with a cause": {
			"FETCH_RETRY_MAX=x", fmt.Errorf("%w, since %w", fault("SLOTS", "more"), errors.New("there are few")),
			[]string{most, "SLOTS: expected more, since there are few"},
		},
		"joined twice": {
			"FETCH_RETRY_MAX=x", errors.Join(errors.Join(fault("SLOTS", "more"), fault("FETCH_RETRY_MAX", "more")), fault("KEY_LIMIT", "more")),
			[]string{most, "SLOTS: expected more", "KEY_LIMIT: expected more"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := env.Load(strings.Fields(test.environ), &retries{rules: test.rules})
			if got := strings.Split(fmt.Sprint(err), "\n"); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}
