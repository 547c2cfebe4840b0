package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// UsageOptions selects what Usage returns. Its zero value selects the costs of each of the last thirty days.
type UsageOptions struct {
	// Since and Until, unless zero, are the first and the last day, at most 92.
	Since, Until time.Time
	// GroupBy has any of day, kind, model and api_key.
	GroupBy []string
	// Kinds, Models and Keys, unless empty, select jobs of these kinds, models, and API keys by ID.
	Kinds, Models, Keys []string
}

// Spending is what the jobs of an account have cost.
type Spending struct {
	Rows []struct {
		// Day, Kind, Model and APIKey are empty if the rows are not grouped by them, or the jobs have none.
		Day    string `json:"day"`
		Kind   string `json:"kind"`
		Model  string `json:"model"`
		APIKey string `json:"api_key"`
		Cost
	} `json:"rows"`
	// Totals has one sum for each currency.
	Totals []Cost `json:"totals"`
	// Budgets are those of the account and of its API keys.
	Budgets []Budget `json:"budgets"`
}

// Budget is a budget, and how much of it is used. Amounts are decimal numbers.
type Budget struct {
	// Scope is account or api_key, and Period day or month.
	Scope    string    `json:"scope"`
	Period   string    `json:"period"`
	APIKey   string    `json:"api_key"`
	Limit    string    `json:"limit"`
	Used     string    `json:"used"`
	Currency string    `json:"currency"`
	ResetsAt time.Time `json:"resets_at"`
}

// Cost is what jobs have cost.
type Cost struct {
	// Jobs have produced Units images, audio files and texts. The Cost, a decimal number, leaves out the UnpricedJobs.
	Jobs         int    `json:"jobs"`
	Units        int    `json:"units"`
	Cost         string `json:"cost"`
	Currency     string `json:"currency"`
	UnpricedJobs int    `json:"unpriced_jobs"`
}

// SetBudget sets what the jobs of the account may cost per day and month, as decimal numbers; an empty one is no limit. The client must be
// one of SignIn. It returns the budgets that apply.
func (c *Client) SetBudget(ctx context.Context, perDay, perMonth string) ([]Budget, error) {
	body := struct {
		PerDay   string `json:"per_day,omitempty"`
		PerMonth string `json:"per_month,omitempty"`
	}{perDay, perMonth}
	var set struct {
		Budgets []Budget `json:"budgets"`
	}
	err := c.call(ctx, request{method: http.MethodPut, path: "/api/usage/budget", body: body}, &set)
	return set.Budgets, err
}

// Usage returns what the jobs of the account have cost that have ended, by the day on which they were submitted.
func (c *Client) Usage(ctx context.Context, o UsageOptions) (*Spending, error) {
	query := url.Values{}
	for name, at := range map[string]time.Time{"since": o.Since, "until": o.Until} {
		if !at.IsZero() {
			query.Set(name, at.UTC().Format(time.DateOnly))
		}
	}
	if len(o.GroupBy) > 0 {
		query.Set("group_by", strings.Join(o.GroupBy, ","))
	}
	for name, values := range map[string][]string{"kind": o.Kinds, "model": o.Models, "api_key": o.Keys} {
		if len(values) > 0 {
			query[name] = values
		}
	}
	s := &Spending{}
	return s, c.call(ctx, request{method: http.MethodGet, path: "/api/usage", query: query}, s)
}
