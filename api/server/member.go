package server

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// memberCookie holds the token of whoever is signed in on the page, where no script can read it.
const memberCookie = "auth_token"

// signedIn is somebody who is signed in.
type signedIn struct {
	user    *account.User
	session account.Session
	token   string
	// byCookie says that a browser sent the token by itself.
	byCookie bool
}

// tokenOf returns the token of a request, "" when there is none. A client of the original's that is not signed in sends
// what JavaScript makes of nothing. Two headers make a token that is none: whatever stands before this program may have
// looked at the other one.
func tokenOf(r *http.Request) (token string, byCookie bool) {
	if given := r.Header.Values("Authorization"); len(given) > 1 {
		return strings.Join(given, ", "), false
	}
	scheme, token, found := strings.Cut(r.Header.Get("Authorization"), " ")
	if found && strings.EqualFold(scheme, "Bearer") {
		switch token = strings.TrimSpace(token); token {
		case "", "null", "undefined":
		default:
			return token, false
		}
	}
	for _, cookie := range r.CookiesNamed(memberCookie) {
		if cookie.Value != "" {
			return cookie.Value, true
		}
	}
	return "", false
}

// memberOf returns who is signed in, or nil when the request holds no token. A token that is not good is never passed
// over: whoever believes to be signed in shall not leave jobs behind as a guest. A browser is told to forget it, and is
// a guest with its next request. It costs one request to NATS.
func (s *Server) memberOf(c *gin.Context) (*signedIn, error) {
	if known, ok := c.Get(memberOfRequest); ok {
		m, _ := known.(*signedIn)
		return m, nil
	}
	vary(c, "Authorization", "Cookie")
	token, byCookie := tokenOf(c.Request)
	if token == "" {
		return nil, nil
	}
	ctx, cancel := bounded(c)
	defer cancel()
	user, session, err := s.deps.Accounts.Identify(ctx, token)
	if cause := refusal(err); cause != "" {
		if byCookie {
			s.forgetMember(c)
		}
		c.Header("WWW-Authenticate", `Bearer realm="account", error="invalid_token"`)
		return nil, &problem{code: codeToken, extra: map[string]any{"cause": cause}}
	}
	if err != nil {
		return nil, err
	}
	m := &signedIn{user, session, token, byCookie}
	c.Set(memberOfRequest, m)
	return m, nil
}

const memberOfRequest = "member"

// refusal names why a token is not good, as the original's clients know it; "" for any other error and none.
func refusal(err error) string {
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

// mustMember is memberOf for routes that are nothing to guests.
func (s *Server) mustMember(c *gin.Context) (*signedIn, error) {
	m, err := s.memberOf(c)
	if m == nil && err == nil {
		vary(c, "Authorization", "Cookie")
		c.Header("WWW-Authenticate", `Bearer realm="account"`)
		return nil, &problem{code: codeSignIn, extra: map[string]any{"cause": "no_authorization_token"}}
	}
	return m, err
}

// stillSignedIn reports whether the token of a request that lasts still holds. While NATS is away nobody is thrown out.
func (s *Server) stillSignedIn(c *gin.Context) bool {
	known, ok := c.Get(memberOfRequest)
	if !ok {
		return true
	}
	m, _ := known.(*signedIn)
	ctx, cancel := context.WithTimeout(c.Request.Context(), operationTimeout)
	defer cancel()
	_, _, err := s.deps.Accounts.Identify(ctx, m.token)
	return refusal(err) == ""
}

// signIn has a browser keep a new token of an account and returns it.
func (s *Server) signIn(c *gin.Context, u *account.User) (string, error) {
	token, err := s.deps.Accounts.Token(u)
	if err != nil {
		return "", err
	}
	s.setMember(c, token, int(account.TokenAge.Seconds()))
	return token, nil
}

func (s *Server) forgetMember(c *gin.Context) { s.setMember(c, "", -1) }

func (s *Server) setMember(c *gin.Context, token string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Without TLS, as on one's own machine, a Secure cookie would not come back.
		Name: memberCookie, Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.secure(c),
	})
}
