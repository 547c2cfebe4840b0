package session

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// memberCookie holds the token of a member who is signed in on the page.
const memberCookie = "auth_token"

// Member is a member who is signed in.
type Member struct {
	User    *account.User
	Session account.Session
	Token   string
	// ByCookie says that the browser sent the token by itself.
	ByCookie bool
}

// Token returns the token of a request, "" when there is none. A client of the original's that is not signed in sends the
// strings "null" and "undefined". More than one Authorization header makes an invalid token: a proxy in front of this
// program may have looked at the other one.
func Token(r *http.Request) (token string, byCookie bool) {
	if given := r.Header.Values("Authorization"); len(given) > 1 {
		return strings.Join(given, ", "), false
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

// BearerToken returns the token of an Authorization header with the scheme Bearer, and false for any other header and none.
func BearerToken(r *http.Request) (token string, ok bool) {
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

// memberKey is where a request's context holds its member.
const memberKey = "member"

// Member returns who is signed in, or nil when the request holds no token. It fails on an invalid token, since callers who
// think that they are signed in must not leave jobs behind as guests. A browser is told to delete the token, and is a guest
// with its next request. It costs one request to NATS, once per request.
func (s *Sessions) Member(c *gin.Context) (*Member, error) {
	if m := FoundMember(c); m != nil {
		return m, nil
	}
	respond.Vary(c, "Authorization", "Cookie")
	token, byCookie := Token(c.Request)
	if token == "" {
		return nil, nil
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	user, session, err := s.accounts.Identify(ctx, token)
	if cause := tokenCause(err); cause != "" {
		if byCookie {
			s.SignOut(c)
		}
		c.Header("WWW-Authenticate", `Bearer realm="account", error="invalid_token"`)
		return nil, &problem.Problem{Code: problem.CodeToken, Extra: map[string]any{"cause": cause}}
	}
	if err != nil {
		return nil, err
	}
	m := &Member{user, session, token, byCookie}
	c.Set(memberKey, m)
	return m, nil
}

// FoundMember returns the member that Member has found for this request already, nil if there is none.
func FoundMember(c *gin.Context) *Member {
	m, _ := c.Value(memberKey).(*Member)
	return m
}

// tokenCause returns why a token is invalid, in the words of the original; "" for any other error and none.
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

// Require is Member for routes that need one.
func (s *Sessions) Require(c *gin.Context) (*Member, error) {
	m, err := s.Member(c)
	if m == nil && err == nil {
		c.Header("WWW-Authenticate", `Bearer realm="account"`)
		return nil, &problem.Problem{Code: problem.CodeSignIn, Extra: map[string]any{"cause": "no_authorization_token"}}
	}
	return m, err
}

// RequireVerified fails for a member who has yet to verify the email address, where that is required.
func (s *Sessions) RequireVerified(m *Member) error {
	if s.verifyEmail && m != nil && !m.User.EmailVerified() {
		return problem.New(problem.CodeEmailUnverified)
	}
	return nil
}

// StillValid reports whether the token of a long request is still valid. While NATS is unreachable it is.
func (s *Sessions) StillValid(c *gin.Context) bool {
	m := FoundMember(c)
	if m == nil {
		return true
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	_, _, err := s.accounts.Identify(ctx, m.Token)
	return tokenCause(err) == ""
}

// SignIn gives a browser a new token of an account and returns it.
func (s *Sessions) SignIn(c *gin.Context, u *account.User) (string, error) {
	token, err := s.accounts.Token(u)
	if err != nil {
		return "", err
	}
	s.SetToken(c, token)
	return token, nil
}

// SetToken has a browser keep a token.
func (s *Sessions) SetToken(c *gin.Context, token string) {
	s.SetCookie(c, memberCookie, token, "/", int(account.TokenAge.Seconds()))
}

// SignOut has a browser delete its token.
func (s *Sessions) SignOut(c *gin.Context) { s.SetCookie(c, memberCookie, "", "/", -1) }
