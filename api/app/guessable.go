package app

import "strings"

// placeholders are words that examples have in place of a secret.
var placeholders = []string{
	"changeme", "changethis", "replaceme", "replacethis", "inproduction", "yoursuper", "yoursecret", "yourjwt", "yourkey",
	"supersecret", "jwtsecret", "secretkey", "mysecret", "defaultsecret", "defaultkey", "placeholder", "password", "secret", "here",
}

const (
	// minDistinct is the minimum number of different characters of a key; 32 random hexadecimal digits have more.
	minDistinct = 6
	// maxPeriod is the longest part that makes a key guessable when the key is nothing but its repetition.
	maxPeriod = 8
)

// guessable reports whether a key is shown in examples or repeats one short part. Whoever knows such a key can sign in as any
// user.
func guessable(secret string) bool {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_.,:!<>{}[]$\"'", r) {
			return -1
		}
		return r
	}, strings.ToLower(secret))
	letters := map[rune]bool{}
	for _, r := range plain {
		letters[r] = true
	}
	if len(letters) < minDistinct {
		return true
	}
	for period := 1; period <= maxPeriod; period++ {
		if unit := secret[:min(period, len(secret))]; strings.HasPrefix(strings.Repeat(unit, len(secret)), secret) {
			return true
		}
	}
	rest := plain
	for _, words := range placeholders {
		rest = strings.ReplaceAll(rest, words, "")
	}
	// A key that merely begins with such a word is accepted.
	return rest != plain && len(rest) < minSecret
}
