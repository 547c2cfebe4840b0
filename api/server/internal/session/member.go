package session

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
)

// memberCookie holds the token of a member who is signed in on the page.
const memberCookie = "auth_token"

// Member is a signed-in member, or one for whom an API key acts.
type Member struct {
	User *account.User
	// Session is that of the token, and zero with an API key.
	Session account.Session
	// Key is the API key; nil for a signed-in member.
	Key *apikey.Key
	// Token is the token or the API key as it was sent.
	Token string
	// ByCookie reports whether the token is from a cookie, which browsers send by themselves.
	ByCookie bool
}

// Token returns the token of a request, or "". Clients of the original that are not signed in send the strings "null" and
// "undefined". Several Authorization headers result in an invalid token, since a proxy may have checked a different one.
func Token(r *http.Request) (token string, byCookie bool) {
	if given := r.Header.Values("Authorization"); len(given) > 1 {
		return strings.Join(given, ", "), false
	}
	if bare := r.Header.Get("Authorization"); apikey.Looks(bare) {
		return bare, false // IdentifyKey says what is missing.
	}
	if token, _ := BearerToken(r); token != "" && token != "null" && token != "undefined" {
		return token, false
	}
	for _, cookie := range r.CookiesNamed(memberCookie) {
		if cookie.Value != "" {
			return cookie.Value, true
		}
	}
	return "", false
}

// BearerToken returns the token of an Authorization header with the scheme Bearer.
func BearerToken(r *http.Request) (token string, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// memberKey is the context key of the member of a request.
const memberKey = "member"

// Member returns the signed-in member, or nil if the request has no token. It fails for an invalid token, so that a caller who
// expects to be signed in does not submit jobs as a guest. The response then deletes the cookie with the token, so that the
// browser is a guest with its next request. Member costs one request to NATS, once per request, or what IdentifyKey costs.
func (s *Sessions) Member(c *gin.Context) (*Member, error) {
	if m := FoundMember(c); m != nil {
		return m, nil
	}
	respond.Vary(c, "Authorization", "Cookie")
	token, byCookie := Token(c.Request)
	if token == "" {
		return nil, nil
	}
	if key, ok := APIKey(c.Request); ok {
		m, err := s.memberByKey(c, key)
		if err == nil {
			c.Set(memberKey, m)
		}
		return m, err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	user, session, err := s.accounts.Identify(ctx, token)
	if cause := tokenCause(err); cause != "" {
		if byCookie {
			s.SignOut(c)
		}
		c.Header("WWW-Authenticate", `Bearer realm="account", error="invalid_token"`)
		p := &problem.Problem{Code: problem.CodeToken, Extra: map[string]any{"cause": cause}}
		if !byCookie && !strings.Contains(token, ".") {
			p.Reason = "program" // It was never a token of this program: somebody has configured a key of another service.
		}
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	m := &Member{User: user, Session: session, Token: token, ByCookie: byCookie}
	c.Set(memberKey, m)
	return m, nil
}

// FoundMember returns the member that Member has already found for this request, or nil.
func FoundMember(c *gin.Context) *Member {
	m, _ := c.Value(memberKey).(*Member)
	return m
}

// tokenCause returns the original's code for why a token is invalid, or "" for any other error and nil.
func tokenCause(err error) string {
	switch {
	case errors.Is(err, account.ErrToken):
		return "jwt_invalid_or_expired"
	case errors.Is(err, account.ErrDisabled):
		return "user_disabled"
	case errors.Is(err, account.ErrUnknown):
		return "user_not_found"
	}
	return ""
}

// ForMember returns a handler that calls h with the signed-in member, and fails without one.
func (s *Sessions) ForMember(h func(c *gin.Context, m *Member) error) problem.Handler {
	return func(c *gin.Context) error {
		m, err := s.Member(c)
		if err != nil {
			return err
		}
		if m == nil {
			c.Header("WWW-Authenticate", `Bearer realm="account"`)
			return &problem.Problem{Code: problem.CodeSignIn, Extra: map[string]any{"cause": "no_authorization_token"}}
		}
		return h(c, m)
	}
}

// RequireVerified fails for a member who has not verified the email address, if that is required.
func (s *Sessions) RequireVerified(m *Member) error {
	if s.verifyEmail && m != nil && !m.User.EmailVerified() {
		return problem.New(problem.CodeEmailUnverified)
	}
	return nil
}

// StillValid reports whether the token or API key of a long request is still valid. It returns true while NATS is unreachable. It
// costs one request to NATS.
func (s *Sessions) StillValid(ctx context.Context, token string) bool {
	ctx, cancel := lifetime.Bounded(ctx)
	defer cancel()
	if apikey.Looks(token) {
		_, err := s.keys.Identify(ctx, token)
		_, invalid := keyReason(err)
		return !invalid
	}
	_, _, err := s.accounts.Identify(ctx, token)
	return tokenCause(err) == ""
}

// SignIn returns a new token of an account, sets it as a cookie and gives the account the works of the browser's guest.
func (s *Sessions) SignIn(c *gin.Context, u *account.User) (string, error) {
	token, err := s.accounts.Token(u)
	if err != nil {
		return "", err
	}
	s.adopt(c, u)
	s.SetToken(c, token)
	return token, nil
}

// SetToken sets the cookie with the token.
func (s *Sessions) SetToken(c *gin.Context, token string) {
	s.SetCookie(c, memberCookie, token, "/", int(account.TokenAge.Seconds()))
}

// SignOut deletes the cookie with the token.
func (s *Sessions) SignOut(c *gin.Context) { s.SetCookie(c, memberCookie, "", "/", -1) }
