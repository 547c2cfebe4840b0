package account

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"

	"github.com/text2image-audio/text2image-audio/pkg/account/internal/weak"
)

// Password is a stored password: its PBKDF2 hash or, without an algorithm, the SHA-256 of password and salt. The salt is the
// hexadecimal string itself and not the bytes that it encodes.
type Password struct {
	Hash       string `json:"passwordHash,omitempty"`
	Salt       string `json:"salt,omitempty"`
	Algorithm  string `json:"passwordAlgorithm,omitempty"`
	Iterations int    `json:"passwordIterations,omitempty"`
	KeyLength  int    `json:"passwordKeyLength,omitempty"`
	Digest     string `json:"passwordDigest,omitempty"`
}

const (
	algorithm       = "pbkdf2"
	saltBytes       = 16
	minKeyLength    = 32
	maxNewKeyLength = 64
	// maxIterations and maxKeyLength bound the cost of verifying a stored password.
	maxIterations = 10_000_000
	maxKeyLength  = 1024
)

// The default parameters of PBKDF2 for stored passwords that do not name them.
const (
	defaultIterations = 120_000
	defaultKeyLength  = 64
	defaultDigest     = "sha256"
)

// digest is a hash function for PBKDF2.
type digest struct {
	new  func() hash.Hash
	size int
	// minIterations is the minimum for new passwords.
	minIterations int
}

var digests = map[string]digest{
	"sha256": {sha256.New, sha256.Size, 600_000},
	"sha384": {sha512.New384, sha512.Size384, 210_000},
	"sha512": {sha512.New, sha512.Size, 210_000},
}

var errUnverifiable = errors.New("the stored password cannot be verified")

// parameters returns the parameters of new passwords.
func (c *Config) parameters() Password {
	p := Password{Algorithm: algorithm, Iterations: c.Iterations, KeyLength: c.KeyLength, Digest: c.Digest}
	if !weak.Allowed.Load() {
		p.Iterations = max(p.Iterations, digests[c.Digest].minIterations)
	}
	return p
}

// hashPassword hashes a password with a new salt.
func hashPassword(password string, parameters Password) (Password, error) {
	random := make([]byte, saltBytes)
	_, _ = rand.Read(random) // Never fails.
	parameters.Salt = hex.EncodeToString(random)
	sum, err := parameters.derive(password)
	if err != nil {
		return Password{}, err
	}
	parameters.Hash = hex.EncodeToString(sum)
	return parameters, nil
}

// set reports whether there is a password.
func (p Password) set() bool { return p.Hash != "" }

// Legacy reports whether the hash has the oldest format, a salted SHA-256.
func (p Password) Legacy() bool { return p.Algorithm == "" && p.Iterations == 0 && p.Digest == "" }

// withDefaults returns p with default values for missing parameters.
func (p Password) withDefaults() Password {
	if p.Legacy() {
		return p
	}
	if p.Algorithm == "" {
		p.Algorithm = algorithm
	}
	if p.Iterations == 0 {
		p.Iterations = defaultIterations
	}
	if p.KeyLength == 0 {
		p.KeyLength = defaultKeyLength
	}
	if p.Digest == "" {
		p.Digest = defaultDigest
	}
	return p
}

// supported reports whether the parameters are known and within bounds.
func (p Password) supported() bool {
	_, known := digests[p.Digest]
	return p.Algorithm == algorithm && known && p.Iterations >= 1 && p.Iterations <= maxIterations && p.KeyLength >= 1 && p.KeyLength <= maxKeyLength
}

// Verifiable reports whether the hash has a known format. No password matches any other hash.
func (p Password) Verifiable() bool {
	hashed, err := hex.DecodeString(p.Hash)
	p = p.withDefaults()
	return err == nil && ((p.Legacy() && len(hashed) == sha256.Size) || (p.supported() && len(hashed) == p.KeyLength))
}

// derive returns the hash of a password with the parameters of p. It returns errUnverifiable when they are out of bounds.
func (p Password) derive(password string) ([]byte, error) {
	p = p.withDefaults()
	if p.Legacy() {
		sum := sha256.Sum256([]byte(password + p.Salt))
		return sum[:], nil
	}
	if !p.supported() {
		return nil, errUnverifiable
	}
	sum, err := pbkdf2.Key(digests[p.Digest].new, password, []byte(p.Salt), p.Iterations, p.KeyLength)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return sum, nil
}

// matches reports whether password matches the hash.
func (p Password) matches(password string) (bool, error) {
	want, err := hex.DecodeString(p.Hash)
	if err != nil {
		return false, errUnverifiable
	}
	got, err := p.derive(password)
	if err != nil {
		return false, err
	}
	return p.set() && subtle.ConstantTimeCompare(got, want) == 1, nil
}

// weakerThan reports whether a password should be rehashed with the parameters of other.
func (p Password) weakerThan(other Password) bool {
	p = p.withDefaults()
	if p.Legacy() || p.KeyLength < minKeyLength {
		return true
	}
	if p.Digest == other.Digest {
		return p.Iterations < other.Iterations
	}
	return p.Iterations < digests[p.Digest].minIterations
}

// rounds returns the cost of deriving the hash: the number of iterations over all blocks.
func (p Password) rounds() int {
	p = p.withDefaults()
	d, known := digests[p.Digest]
	if p.Legacy() || !known {
		return 0
	}
	return p.Iterations * ((p.KeyLength + d.size - 1) / d.size)
}

// equalizeTiming computes the rounds that remain of a hash with the given parameters after spent rounds.
func equalizeTiming(password string, parameters Password, spent int) error {
	blocks := (parameters.KeyLength + digests[parameters.Digest].size - 1) / digests[parameters.Digest].size
	left := parameters.Iterations - spent/blocks
	if left < 1 {
		return nil
	}
	parameters.Iterations, parameters.Salt = left, "salt"
	_, err := parameters.derive(password)
	return err
}
