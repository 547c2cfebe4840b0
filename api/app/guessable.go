package app

import "strings"

// placeholders are words that examples use in place of a secret.
var placeholders = []string{
	"changeme", "changethis", "replaceme", "replacethis", "inproduction", "yoursuper", "yoursecret", "yourjwt", "yourkey",
	"supersecret", "jwtsecret", "secretkey", "mysecret", "defaultsecret", "defaultkey", "placeholder", "password", "secret", "here",
}

const (
	// minDistinct is the minimum number of different characters in a key. 32 random hexadecimal digits have more.
	minDistinct = 6
	// maxPeriod is the maximum length of a part whose repetition makes a guessable key.
	maxPeriod = 8
)

// guessable reports whether a key looks like one from an example or repeats a short part. With such a key an attacker can
// sign in as any user.
func guessable(secret string) bool {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_.,:!<>{}[]$\"'", r) {
			return -1
		}
		return r
	}, strings.ToLower(secret))
	distinct := map[rune]bool{}
	for _, r := range plain {
		distinct[r] = true
	}
	if len(distinct) < minDistinct {
		return true
	}
	for period := 1; period <= maxPeriod; period++ {
		if unit := secret[:min(period, len(secret))]; strings.HasPrefix(strings.Repeat(unit, len(secret)), secret) {
			return true
		}
	}
	rest := plain
	for _, word := range placeholders {
		rest = strings.ReplaceAll(rest, word, "")
	}
	// A key that only begins with such a word is accepted.
	return rest != plain && len(rest) < minSecret
}
