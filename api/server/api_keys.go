package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// maxKeysCreated is how many API keys a member may create within keyWindow: each leaves a marker when it is revoked.
	maxKeysCreated = 60
	keyWindow      = time.Hour
)

// keyHandler serves the API keys of members.
type keyHandler struct {
	keys    *apikey.Keys
	owners  *owners
	created *ratelimit.Limiter
}

// adminKeyHandler serves the API keys of the operator.
type adminKeyHandler struct {
	*operator
	keys *apikey.Keys
}

// keyView is an API key as its owner sees it.
type keyView struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Shown  string         `json:"shown"`
	Scopes []apikey.Scope `json:"scopes"`
	// Secret is the key itself, which only the response to its creation has.
	Secret     string    `json:"key,omitempty"`
	CreatedAt  job.Time  `json:"created_at"`
	ExpiresAt  *job.Time `json:"expires_at"`
	LastUsedAt *job.Time `json:"last_used_at"`
	PerMinute  *int      `json:"per_minute"`
	PerDay     *int      `json:"per_day"`
	MaxActive  *int      `json:"max_active"`
	// The budgets are decimal numbers.
	BudgetPerDay   *string `json:"budget_per_day"`
	BudgetPerMonth *string `json:"budget_per_month"`
}

func newKeyView(k *apikey.Key) keyView {
	limit := func(n int) *int {
		if n == 0 {
			return nil
		}
		return &n
	}
	return keyView{
		ID: k.ID, Name: k.Name, Shown: k.Shown, Scopes: k.Scopes, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: k.LastUsedAt,
		PerMinute: limit(k.PerMinute), PerDay: limit(k.PerDay), MaxActive: limit(k.MaxActive),
		BudgetPerDay: amountOrNil(k.Budget.PerDay), BudgetPerMonth: amountOrNil(k.Budget.PerMonth),
	}
}

// keyList is the response of a list of API keys.
type keyList struct {
	Keys []keyView `json:"keys"`
}

func newKeyList(list []*apikey.Key) keyList {
	views := make([]keyView, len(list))
	for i, k := range list {
		views[i] = newKeyView(k)
	}
	return keyList{views}
}

// keyRequest is the body that creates an API key.
type keyRequest struct {
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes"`
	ExpiresIn *int     `json:"expires_in"`
	PerMinute *int     `json:"per_minute"`
	PerDay    *int     `json:"per_day"`
	MaxActive *int     `json:"max_active"`

	BudgetPerDay   *string `json:"budget_per_day"`
	BudgetPerMonth *string `json:"budget_per_month"`
}

func (r *keyRequest) request() apikey.Request {
	return apikey.Request{
		Name: r.Name, Scopes: r.Scopes, ExpiresIn: r.ExpiresIn, PerMinute: r.PerMinute, PerDay: r.PerDay, MaxActive: r.MaxActive,
		BudgetPerDay: r.BudgetPerDay, BudgetPerMonth: r.BudgetPerMonth,
	}
}

// createKey is POST /api/keys.
func (h *keyHandler) createKey(c *gin.Context, m *session.Member) error {
	var body keyRequest
	b, err := bind.JSON(c, &body)
	if err != nil {
		return err
	}
	if slices.Contains(body.Scopes, string(apikey.ScopeAdmin)) {
		return problem.Because(problem.CodeScope, "admin")
	}
	r := body.request()
	b.AddMissing(r.Check(apikey.MemberScopes())...)
	if err := b.Err(); err != nil {
		return err
	}
	if err := take(h.created, m.User.Owner()); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	key, secret, err := h.keys.Create(ctx, m.User, r)
	// An error may leave a key behind.
	erase := func(ctx context.Context, owner string) error { return h.keys.Erase(ctx, owner, nil) }
	if gone := h.owners.undoIfDeleted(ctx, m, erase); gone != nil {
		return gone
	}
	if err != nil {
		return keyError(err)
	}
	respondCreated(c, key, secret)
	return nil
}

// respondCreated responds with a new key and its secret, which the service cannot show again.
func respondCreated(c *gin.Context, key *apikey.Key, secret string) {
	view := newKeyView(key)
	view.Secret = secret
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusCreated, view)
}

// keyError converts an error of the store of keys to a problem.
func keyError(err error) error {
	switch {
	case errors.Is(err, apikey.ErrTooMany):
		return &problem.Problem{Code: problem.CodeTooManyKeys, Args: map[string]string{"max": strconv.Itoa(apikey.MaxKeys)}}
	case errors.Is(err, apikey.ErrUnknown):
		return problem.Because(problem.CodeNotFound, "api_key")
	}
	return err
}

// listKeys is GET /api/keys.
func (h *keyHandler) listKeys(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	list, err := h.keys.List(ctx, m.User.Owner())
	if err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, newKeyList(list))
	return nil
}

// revokeKey is DELETE /api/keys/:id.
func (h *keyHandler) revokeKey(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	if err := h.keys.Revoke(ctx, m.User.Owner(), c.Param("id")); err != nil {
		return keyError(err)
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}

// createKey is POST /api/admin/keys.
func (h *adminKeyHandler) createKey(c *gin.Context) error {
	var body keyRequest
	b, err := bind.JSON(c, &body)
	if err != nil {
		return err
	}
	if body.Scopes == nil && !bind.Has(b.Faults, "/scopes") {
		body.Scopes = []string{string(apikey.ScopeAdmin)}
	}
	r := body.request()
	b.AddMissing(r.Check([]apikey.Scope{apikey.ScopeAdmin})...)
	for pointer, given := range map[string]bool{
		"/per_minute": r.PerMinute != nil, "/per_day": r.PerDay != nil, "/max_active": r.MaxActive != nil,
		"/budget_per_day": r.BudgetPerDay != nil, "/budget_per_month": r.BudgetPerMonth != nil,
	} {
		if given {
			b.AddMissing(job.FieldError{Pointer: pointer, Code: "unknown_field"}) // It submits nothing.
		}
	}
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	key, secret, err := h.keys.Create(ctx, nil, r)
	if err != nil {
		err = keyError(err)
		h.audit(ctx, c, "create API key", err)
		return err
	}
	h.audit(ctx, c, "create API key", nil, slog.String("api_key", key.ID))
	respondCreated(c, key, secret)
	return nil
}

// listKeys is GET /api/admin/keys.
func (h *adminKeyHandler) listKeys(c *gin.Context) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	list, err := h.keys.ListAdmin(ctx)
	h.audit(ctx, c, "list API keys", err)
	if err != nil {
		return err
	}
	respond.JSON(c, http.StatusOK, newKeyList(list))
	return nil
}

// revokeKey is DELETE /api/admin/keys/:id.
func (h *adminKeyHandler) revokeKey(c *gin.Context) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	id := c.Param("id")
	err := h.keys.RevokeAdmin(ctx, id)
	if errors.Is(err, apikey.ErrUnknown) {
		return keyError(err) // The ID may be any text, which is not for the log.
	}
	h.audit(ctx, c, "revoke API key", err, slog.String("api_key", id))
	if err != nil {
		return err
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}

// operatorKey is the context key of the API key of an operator.
const operatorKey = "operator_key"

// admitAPIKey admits a request with an API key of the operator, which the audit log then names. It fails with a problem for any other
// key.
func (o *operator) admitAPIKey(c *gin.Context, key string) error {
	id, err := o.sessions.IdentifyKey(c, key)
	if err != nil {
		return err
	}
	c.Set(operatorKey, id.Key)
	if err := session.RequireScope(c, id.Key, apikey.ScopeAdmin); err != nil {
		o.log.WarnContext(c.Request.Context(), "operator action", slog.String("act", c.Request.Method+" "+routeOf(c)),
			slog.String("outcome", "refused"), slog.String("address", c.ClientIP()), slog.String("key", id.Key.ID))
		return err
	}
	return nil
}

// noAPIKey rejects operators with an API key, who must not create others.
func (o *operator) noAPIKey(c *gin.Context) {
	if operatorAPIKey(c) != nil {
		o.problems.Write(c, problem.Because(problem.CodeSessionRequired, "admin"))
	}
}

// operatorAPIKey returns the API key of an operator, or nil for one with ADMIN_KEY.
func operatorAPIKey(c *gin.Context) *apikey.Key {
	key, _ := c.Value(operatorKey).(*apikey.Key)
	return key
}

// keyIDOf returns the name of the key of an operator in logs and in what the operator changes.
func (o *operator) keyIDOf(c *gin.Context) string {
	if key := operatorAPIKey(c); key != nil {
		return key.ID
	}
	return o.keyID
}
