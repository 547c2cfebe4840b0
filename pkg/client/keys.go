package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Key is an API key. Limits that are nil are those of its member.
type Key struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Shown is the beginning and the end of the key, by which its owner recognizes it.
	Shown  string   `json:"shown"`
	Scopes []string `json:"scopes"`
	// Secret is the key itself. Only CreateKey returns it; the server does not store it.
	Secret     string     `json:"key,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	PerMinute  *int       `json:"per_minute"`
	PerDay     *int       `json:"per_day"`
	MaxActive  *int       `json:"max_active"`
	// The budgets are decimal numbers.
	BudgetPerDay   *string `json:"budget_per_day"`
	BudgetPerMonth *string `json:"budget_per_month"`
}

// KeyRequest is an API key to be created.
type KeyRequest struct {
	// Name says what the key is for.
	Name string `json:"name"`
	// Scopes are what the key permits: submit, read, or both.
	Scopes []string `json:"scopes"`
	// ExpiresIn, unless 0, is the number of seconds for which the key is valid.
	ExpiresIn int `json:"expires_in,omitempty"`
	// PerMinute and PerDay, unless 0, are quotas of the key, and MaxActive is how many of its jobs may be queued or running at once.
	PerMinute int `json:"per_minute,omitempty"`
	PerDay    int `json:"per_day,omitempty"`
	MaxActive int `json:"max_active,omitempty"`
	// BudgetPerDay and BudgetPerMonth, unless empty, are decimal numbers that limit what jobs of the key may cost.
	BudgetPerDay   string `json:"budget_per_day,omitempty"`
	BudgetPerMonth string `json:"budget_per_month,omitempty"`
}

// SignIn returns a client that acts as the member with an email address and a password, with a token that is valid for a week or
// until SignOut. No API key can do what it is needed for, such as managing API keys. It fails with a *Problem if the server refuses
// it; a few wrong passwords block the address for a while.
func (c *Client) SignIn(ctx context.Context, email, password string) (*Client, error) {
	member := *c
	member.key = ""
	var answer struct {
		Token string `json:"token"`
	}
	body := map[string]string{"email": email, "password": password}
	if err := member.call(ctx, request{method: http.MethodPost, path: "/api/auth/login", body: body}, &answer); err != nil {
		return nil, err
	}
	member.key = answer.Token
	return &member, nil
}

// SignOut invalidates the token of a client that SignIn has returned.
func (c *Client) SignOut(ctx context.Context) error {
	return c.call(ctx, request{method: http.MethodPost, path: "/api/auth/logout"}, &struct{}{})
}

// Keys returns the API keys of the member, without their secrets. The client must be one of SignIn.
func (c *Client) Keys(ctx context.Context) ([]*Key, error) {
	var list struct {
		Keys []*Key `json:"keys"`
	}
	err := c.call(ctx, request{method: http.MethodGet, path: "/api/keys"}, &list)
	return list.Keys, err
}

// CreateKey creates an API key and returns it with its secret, which cannot be read again. The client must be one of SignIn. It is
// sent once, since a repetition would create another key: after an error that is no *Problem, look for the key among Keys.
func (c *Client) CreateKey(ctx context.Context, r KeyRequest) (*Key, error) {
	once := *c
	once.attempts = 1
	k := &Key{}
	if err := once.call(ctx, request{method: http.MethodPost, path: "/api/keys", body: r}, k); err != nil {
		return nil, err
	}
	return k, nil
}

// RevokeKey revokes an API key, which is rejected within a second. The client must be one of SignIn.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.retry(ctx, func() error {
		resp, err := c.send(ctx, request{method: http.MethodDelete, path: "/api/keys/" + url.PathEscape(id)})
		if err != nil {
			return err
		}
		return resp.Body.Close() //nolint:wrapcheck // Nothing was read.
	})
}
