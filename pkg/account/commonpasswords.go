package account

import (
	_ "embed" // The list of common passwords.
	"strings"
	"sync"
)

//go:embed common_passwords.txt
var commonPasswordList string

// commonPasswords holds the most common passwords of at least MinPassword characters, in lower case.
var commonPasswords = sync.OnceValue(func() map[string]bool {
	set := make(map[string]bool)
	for password := range strings.Lines(commonPasswordList) {
		set[strings.TrimSpace(password)] = true
	}
	return set
})

// isCommon reports whether a password is among the most common ones, ignoring case.
func isCommon(password string) bool { return commonPasswords()[strings.ToLower(password)] }
