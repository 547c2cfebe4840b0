package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
)

func TestGuessableSecrets(t *testing.T) {
	t.Parallel()
	for secret, ok := range map[string]bool{
		"short":                                            false,
		"changemechangeme":                                 false,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":                 false,
		"abcdefgabcdefgabcdefg":                            false,
		"                    ":                             false,
		"your-secret-key-here":                             false,
		"your_jwt_secret_key_change_in_production":         false,
		"YOUR-SUPER-SECRET-JWT-KEY":                        false,
		"<replace-me-in-production>":                       false,
		"${JWT_SECRET:-changeme}":                          false,
		"0123456789abcdef0":                                true,
		"8f14e45fceea167a5a36dedd4bea2543":                 true,
		"secret-8f14e45fceea167a5a36dedd4bea2543":          true,
		"hA7/Zq+0rX9cN2yPq8uT1w==":                         true,
		"the same secret for every process":                true,
		"correct horse battery staple, and a few more yet": true,
	} {
		_, err := app.Load([]string{"JWT_SECRET=" + secret, "DATA_DIR=" + t.TempDir()})
		text := fmt.Sprint(err)
		if (err == nil) != ok || (!ok && !strings.Contains(text, "JWT_SECRET")) || strings.Contains(text, secret) {
			t.Errorf("%q: %v", secret, err)
		}
	}
}
