package server

import (
	"net/http"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

const maxKey = 255

// idempotencyKey returns the idempotency key of a request without quotes, or "" if it has none.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	if len(key) >= 2 && strings.HasPrefix(key, `"`) && strings.HasSuffix(key, `"`) {
		key = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(key[1 : len(key)-1])
	}
	if len(values) > 1 || key == "" || len(key) > maxKey || !isVisible(key) {
		return "", problem.New(problem.CodeInvalidKey)
	}
	return key, nil
}

// isVisible reports whether s consists of visible ASCII characters.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
