package account_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// TestCommonPasswords checks that every entry can match: entries that are too short for a password or not in lower case never do.
func TestCommonPasswords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for line := range strings.Lines(account.CommonPasswordList) {
		password := strings.TrimSuffix(line, "\n")
		if utf8.RuneCountInString(password) < account.MinPassword || password != strings.ToLower(strings.TrimSpace(password)) || seen[password] {
			t.Errorf("entry %q cannot match or is a duplicate", password)
		}
		seen[password] = true
		if faults := account.CheckPassword("/x", strings.ToUpper(password)); len(faults) != 1 || faults[0].Code != "password_too_common" {
			t.Errorf("%q: %v", password, faults)
		}
	}
	if len(seen) < 100 {
		t.Errorf("%d entries", len(seen))
	}
}
