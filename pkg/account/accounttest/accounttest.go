// Package accounttest makes the hashing of passwords fast in tests.
package accounttest

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/account/internal/weak"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// AllowWeakHashes disables the minimum of PBKDF2_ITERATIONS in this process.
func AllowWeakHashes(testing.TB) { weak.Allowed.Store(true) }

// Config returns the default settings, changed by variables such as JWT_ALLOW_LEGACY=false, but with few iterations.
func Config(t testing.TB, variables ...string) account.Config {
	t.Helper()
	AllowWeakHashes(t)
	var cfg account.Config
	if err := env.Load(append([]string{"PBKDF2_ITERATIONS=10"}, variables...), &cfg); err != nil {
		t.Fatal(err)
	}
	return cfg
}
