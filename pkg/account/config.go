package account

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Config holds the settings of accounts.
type Config struct {
	Iterations      int    `env:"PBKDF2_ITERATIONS" envDefault:"600000" doc:"Iterations of PBKDF2 for new passwords. Values below 600000 (210000 with sha384 or sha512) count as that minimum; stored hashes are verified as they are and strengthened at the next login."`
	KeyLength       int    `env:"PBKDF2_KEYLEN" envDefault:"32" doc:"Bytes of the hash of a new password, 32 to 64."`
	Digest          string `env:"PBKDF2_DIGEST" envDefault:"sha256" doc:"Digest of PBKDF2 for new passwords: sha256, sha384 or sha512."`
	AllowLegacy     bool   `env:"JWT_ALLOW_LEGACY" envDefault:"true" doc:"Whether tokens in the oldest format of the Cloudflare system are accepted; set it to false a week after moving."`
	RequireVerified string `env:"REQUIRE_VERIFIED_EMAIL" envDefault:"auto" doc:"Whether new accounts with a password must confirm their email address before they can submit anything: on, off, or auto, which is on when SMTP_URL is set. With on but without SMTP_URL, the links are printed on the console, which is allowed only on loopback."`
}

// Validate reports every fault at once, each as a *env.Fault.
func (c *Config) Validate() error {
	var errs []error
	fault := func(name, expected string) { errs = append(errs, &env.Fault{Name: name, Expected: expected}) }
	if c.Iterations < 1 || c.Iterations > maxIterations {
		fault("PBKDF2_ITERATIONS", "a whole number from 1 to 10000000")
	}
	if c.KeyLength < minKeyLength || c.KeyLength > maxNewKeyLength {
		fault("PBKDF2_KEYLEN", "a whole number from 32 to 64")
	}
	if _, ok := digests[c.Digest]; !ok {
		fault("PBKDF2_DIGEST", "sha256, sha384 or sha512")
	}
	switch c.RequireVerified {
	case "on", "off", "auto":
	default:
		fault("REQUIRE_VERIFIED_EMAIL", "on, off or auto")
	}
	return errors.Join(errs...)
}
