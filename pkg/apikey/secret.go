package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"math/big"
	"strings"
)

// Prefix begins every key, so that scanners find keys in source code and logs.
const Prefix = "t2i_"

// A key is Prefix, a random number of 256 bits and the CRC-32 of both, each in base 62: [0-9A-Za-z], the digits first. It has 53
// characters.
const (
	randomBytes    = 32
	randomDigits   = 43
	checksumDigits = 6
	keyLength      = len(Prefix) + randomDigits + checksumDigits
	// shownLength is the length of the beginning by which its owner recognizes a key.
	shownLength = len(Prefix) + 4
)

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Looks reports whether a token is meant to be a key.
func Looks(token string) bool { return strings.HasPrefix(token, Prefix) }

// newSecret returns a new key.
func newSecret() string {
	random := make([]byte, randomBytes)
	_, _ = rand.Read(random) // It never fails.
	body := Prefix + base62(new(big.Int).SetBytes(random), randomDigits)
	return body + checksum(body)
}

func checksum(body string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(body)))), checksumDigits)
}

// base62 returns n with the given number of digits, the most significant first.
func base62(n *big.Int, length int) string {
	text := make([]byte, length)
	base, digit := big.NewInt(int64(len(digits))), new(big.Int)
	for i := length - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		text[i] = digits[digit.Int64()]
	}
	return string(text)
}

// wellFormed reports whether a key is complete and has the right checksum. A mistyped one is recognized without a lookup.
func wellFormed(key string) bool {
	if len(key) != keyLength || !Looks(key) {
		return false
	}
	body := key[:keyLength-checksumDigits]
	return checksum(body) == key[keyLength-checksumDigits:]
}

// hash is the SHA-256 of a key. Its input has 256 random bits, so that a slow hash would protect nothing.
type hash [sha256.Size]byte

func hashOf(key string) hash { return sha256.Sum256([]byte(key)) }

// hash returns the hash of a key.
func (k *Key) hash() (h hash) {
	_, _ = hex.Decode(h[:], []byte(k.Hash)) // A malformed hash is that of no key.
	return h
}

func (h hash) String() string { return hex.EncodeToString(h[:]) }

const (
	idPrefix = "key_"
	idDigits = 24
)

// id returns the ID of a key: the beginning of its hash, so that a key is found without an index, and which reveals nothing.
func (h hash) id() string { return idPrefix + h.String()[:idDigits] }
