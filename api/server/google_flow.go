package server

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/google"
)

const (
	// flowCookie holds the sealed flow of an attempt. Only this installation can read or create it, and browsers send it to
	// the account routes only.
	flowCookie     = "t2i_google"
	flowCookiePath = "/api/auth"
	// flowAge is how long an attempt may take.
	flowAge = 10 * time.Minute
	// maxReturn bounds the length of flow.Return.
	maxReturn = 512
)

// flow is one attempt to sign in with Google.
type flow struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v"`
	Redirect string `json:"d"`
	// Return is the path to which the page goes after the sign-in.
	Return string `json:"r"`
	// Member is the id of the member who wants to link a Google account, "" for a sign-in.
	Member  string `json:"m,omitempty"`
	Expires int64  `json:"e"`
}

func (h *googleHandler) newFlow(redirect, back, member string) *flow {
	return &flow{
		State: rand.Text(), Nonce: rand.Text(), Verifier: google.NewVerifier(), Redirect: redirect, Return: back, Member: member,
		Expires: h.now().Add(flowAge).Unix(),
	}
}

func (f *flow) start() google.Start {
	return google.Start{Redirect: f.Redirect, State: f.State, Nonce: f.Nonce, Verifier: f.Verifier}
}

// hasState reports whether the attempt has the given state.
func (f *flow) hasState(state string) bool {
	return f != nil && subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) == 1
}

func flowCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("seal google flow: %w", err)
	}
	sealer, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal google flow: %w", err)
	}
	return sealer, nil
}

// sealFlow returns the value of the cookie. It is encrypted, since it contains the verifier, and authenticated.
func sealFlow(key []byte, f *flow) (string, error) {
	sealer, err := flowCipher(key)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("encode google flow: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealer.Seal(nil, nil, plain, nil)), nil //nolint:gosec // The cipher makes a random nonce of its own for each call.
}

// openFlow returns the attempt in a value from sealFlow, or nil if the value is invalid or the attempt has expired.
func openFlow(key []byte, value string, now time.Time) *flow {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil
	}
	sealer, err := flowCipher(key)
	if err != nil {
		return nil
	}
	plain, err := sealer.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil
	}
	var f flow
	if json.Unmarshal(plain, &f) != nil || !now.Before(time.Unix(f.Expires, 0)) {
		return nil
	}
	return &f
}

// findFlow returns the first attempt of a request for which match returns true, or nil. It reads kept, the attempt that a
// client has stored itself, or the cookies if kept is empty. Of several cookies, a sibling domain may have set any.
func (h *googleHandler) findFlow(r *http.Request, kept string, match func(*flow) bool) *flow {
	values := []string{kept}
	if kept == "" {
		values = nil
		for _, cookie := range r.CookiesNamed(flowCookie) {
			values = append(values, cookie.Value)
		}
	}
	for _, value := range values {
		if f := openFlow(h.flowKey, value, h.now()); f != nil && match(f) {
			return f
		}
	}
	return nil
}

func (h *googleHandler) setFlow(c *gin.Context, value string, maxAge int) {
	h.sessions.SetCookie(c, flowCookie, value, flowCookiePath, maxAge)
}

// ownPath returns raw if it is a path of this page to redirect to, and "/" if it leads or could lead to another site.
func ownPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxReturn || u.IsAbs() || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, "/api/") ||
		strings.Contains(raw, `\`) || strings.Contains(u.Path, `\`) || !isVisible(raw) {
		return "/"
	}
	return raw
}
