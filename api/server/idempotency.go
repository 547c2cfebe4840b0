package server

import (
	"fmt"
	"net/http"
	"strings"
)

const maxKey = 255

// idempotencyKey returns the key of a request, bare, or "" when it has none. It comes as a quoted string or bare.
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
		return "", &problem{code: codeInvalidKey}
	}
	return key, nil
}

// isVisible reports whether s is made of ASCII characters that leave a mark on paper.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// keyedID returns the id of the job that a caller submits under an idempotency key: the same for the same caller and
// key, and one that nobody else can compute. A caller without an identity is known by its address, all of IPv4 or 64 bits
// of IPv6: with less, a neighbor who repeats a request would be answered with somebody else's job and could delete it.
func (s *Server) keyedID(who caller, key string) string {
	scope := who.owner
	if !who.named() {
		scope += " " + who.address
	}
	return uuidOf(sum(s.keys.idempotency, scope, key))
}

// uuidOf makes an id of the first 16 bytes of a sum.
func uuidOf(sum []byte) string {
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80 // Version 8: ours to fill.
	id[8] = id[8]&0x3f | 0x80 // The variant of RFC 9562.
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
