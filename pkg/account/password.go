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
)

// Password is a password as it is stored: by PBKDF2, whose salt is the text as it stands and not the bytes that it
// spells, or, without an algorithm, as the hash of password and salt.
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
	// maxIterations and maxKeyLength bound what a stored record can have this machine compute.
	maxIterations = 10_000_000
	maxKeyLength  = 1024
)

// What a stored record means that leaves a parameter of PBKDF2 out.
const (
	olderIterations = 120_000
	olderKeyLength  = 64
	olderDigest     = "sha256"
)

// digest is a hash function with which a password can be hashed.
type digest struct {
	new  func() hash.Hash
	size int
	// least is the number of rounds that a new password has at least.
	least int
}

var digests = map[string]digest{
	"sha256": {sha256.New, sha256.Size, 600_000},
	"sha384": {sha512.New384, sha512.Size384, 210_000},
	"sha512": {sha512.New, sha512.Size, 210_000},
}

var errStoredPassword = errors.New("a stored password that cannot be verified")

// parameters are how new passwords are hashed.
func (c *Config) parameters() Password {
	p := Password{Algorithm: algorithm, Iterations: c.Iterations, KeyLength: c.KeyLength, Digest: c.Digest}
	if !c.Quick {
		p.Iterations = max(p.Iterations, digests[c.Digest].least)
	}
	return p
}

// hashPassword hashes a password with a new salt.
func hashPassword(password string, with Password) (Password, error) {
	random := make([]byte, saltBytes)
	if _, err := rand.Read(random); err != nil {
		return Password{}, fmt.Errorf("make salt: %w", err)
	}
	with.Salt = hex.EncodeToString(random)
	sum, err := with.derive(password)
	if err != nil {
		return Password{}, err
	}
	with.Hash = hex.EncodeToString(sum)
	return with, nil
}

// set reports whether there is a password at all; who signs in elsewhere has none.
func (p Password) set() bool { return p.Hash != "" }

// Legacy reports whether the hash is of the oldest form, a salted SHA-256.
func (p Password) Legacy() bool { return p.Algorithm == "" && p.Iterations == 0 && p.Digest == "" }

// complete fills in what a record leaves out.
func (p Password) complete() Password {
	if p.Legacy() {
		return p
	}
	if p.Algorithm == "" {
		p.Algorithm = algorithm
	}
	if p.Iterations == 0 {
		p.Iterations = olderIterations
	}
	if p.KeyLength == 0 {
		p.KeyLength = olderKeyLength
	}
	if p.Digest == "" {
		p.Digest = olderDigest
	}
	return p
}

// bounded reports whether the parameters are known and within bounds.
func (p Password) bounded() bool {
	_, known := digests[p.Digest]
	return p.Algorithm == algorithm && known && p.Iterations >= 1 && p.Iterations <= maxIterations && p.KeyLength >= 1 && p.KeyLength <= maxKeyLength
}

// Verifiable reports whether any password could match: it is false for a hash of unknown form.
func (p Password) Verifiable() bool {
	hashed, err := hex.DecodeString(p.Hash)
	p = p.complete()
	return err == nil && ((p.Legacy() && len(hashed) == sha256.Size) || (p.bounded() && len(hashed) == p.KeyLength))
}

// derive computes the hash of a password. It fails when the parameters are out of bounds.
func (p Password) derive(password string) ([]byte, error) {
	p = p.complete()
	if p.Legacy() {
		sum := sha256.Sum256([]byte(password + p.Salt))
		return sum[:], nil
	}
	if !p.bounded() {
		return nil, errStoredPassword
	}
	sum, err := pbkdf2.Key(digests[p.Digest].new, password, []byte(p.Salt), p.Iterations, p.KeyLength)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	return sum, nil
}

// matches reports whether password is this one.
func (p Password) matches(password string) (bool, error) {
	want, err := hex.DecodeString(p.Hash)
	if err != nil {
		return false, errStoredPassword
	}
	got, err := p.derive(password)
	if err != nil {
		return false, err
	}
	return p.set() && subtle.ConstantTimeCompare(got, want) == 1, nil
}

// weakerThan reports whether it is to be hashed anew with other parameters; what is stronger stays as it is.
func (p Password) weakerThan(other Password) bool {
	p = p.complete()
	if p.Legacy() || p.KeyLength < minKeyLength {
		return true
	}
	if p.Digest == other.Digest {
		return p.Iterations < other.Iterations
	}
	return p.Iterations < digests[p.Digest].least
}

// rounds is how often the digest runs, for its cost.
func (p Password) rounds() int {
	p = p.complete()
	d, known := digests[p.Digest]
	if p.Legacy() || !known {
		return 0
	}
	return p.Iterations * ((p.KeyLength + d.size - 1) / d.size)
}

// burn takes as long as is left of what a hash by with takes, after one of a given cost.
func burn(password string, with Password, spent int) error {
	blocks := (with.KeyLength + digests[with.Digest].size - 1) / digests[with.Digest].size
	left := with.Iterations - spent/blocks
	if left < 1 {
		return nil
	}
	with.Iterations, with.Salt = left, "nobody's"
	_, err := with.derive(password)
	return err
}
