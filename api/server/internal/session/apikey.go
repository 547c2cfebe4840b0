package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// APIKey returns the API key in the Authorization header of a request.
func APIKey(r *http.Request) (key string, ok bool) {
	token, byCookie := Token(r)
	return token, !byCookie && apikey.Looks(token)
}

// apiKeyID is the context key of the identity of an API key.
const apiKeyID = "api_key"

// found is the identity of the API key that a request has sent.
type found struct {
	key      string
	identity *apikey.Identity
}

// IdentifyKey returns the identity of an API key. It fails with a problem for one that is not valid, or was sent without the scheme
// Bearer: its member must not become a guest. It costs what apikey.Keys.Identify
// costs, once per request.
func (s *Sessions) IdentifyKey(c *gin.Context, key string) (*apikey.Identity, error) {
	if f, ok := c.Value(apiKeyID).(found); ok && f.key == key {
		return f.identity, nil
	}
	respond.Vary(c, "Authorization", "Cookie")
	if key == c.GetHeader("Authorization") {
		c.Header("WWW-Authenticate", `Bearer error="invalid_token"`)
		return nil, problem.Because(problem.CodeAPIKey, "scheme")
	}
	id, err := s.keys.Identify(c.Request.Context(), key)
	if err != nil {
		return nil, keyProblem(c, err)
	}
	c.Set(apiKeyID, found{key, id})
	return id, nil
}

// keyProblem converts an error of an invalid API key to a problem, and returns any other error.
func keyProblem(c *gin.Context, err error) error {
	reason, invalid := keyReason(err)
	if !invalid {
		return err
	}
	c.Header("WWW-Authenticate", `Bearer error="invalid_token"`)
	return problem.Because(problem.CodeAPIKey, reason)
}

// keyReason returns the reason why an API key is invalid.
func keyReason(err error) (reason string, invalid bool) {
	switch {
	case errors.Is(err, apikey.ErrUnknown):
		return "", true
	case errors.Is(err, apikey.ErrMalformed):
		return "malformed", true
	case errors.Is(err, apikey.ErrExpired):
		return "expired", true
	case errors.Is(err, account.ErrDisabled):
		return "disabled", true
	}
	return "", false
}

// RequireScope fails for an API key without a scope.
func RequireScope(c *gin.Context, key *apikey.Key, scope apikey.Scope) error {
	if key.Has(scope) {
		return nil
	}
	c.Header("WWW-Authenticate", fmt.Sprintf("Bearer error=%q, scope=%q", "insufficient_scope", scope))
	has := make([]string, len(key.Scopes))
	for i, s := range key.Scopes {
		has[i] = string(s)
	}
	return &problem.Problem{Code: problem.CodeScope, Args: map[string]string{"scope": string(scope), "has": strings.Join(has, ", ")}}
}

// memberByKey returns the member for whom an API key acts.
func (s *Sessions) memberByKey(c *gin.Context, key string) (*Member, error) {
	id, err := s.IdentifyKey(c, key)
	if err != nil {
		return nil, err
	}
	if id.User == nil {
		return nil, RequireScope(c, id.Key, apikey.ScopeRead) // A key of the operator has no account.
	}
	return &Member{User: id.User, Key: id.Key, Token: key}, nil
}

// Exists returns account.ErrUnknown if the account of a member was deleted. It costs at most one request to NATS.
func (s *Sessions) Exists(ctx context.Context, m *Member) error {
	_, err := s.accounts.Find(ctx, m.User.Key(), m.User.ID)
	return err
}

// submitterKey returns the API key of a caller for its submissions, or nil.
func (c Caller) submitterKey() *jobs.CallerKey {
	if c.Member == nil || c.Member.Key == nil {
		return nil
	}
	key := c.Member.Key
	return &jobs.CallerKey{ID: key.ID, PerMinute: key.PerMinute, PerDay: key.PerDay, MaxActive: key.MaxActive, Budget: key.Budget}
}
