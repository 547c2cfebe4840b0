package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// Usage is what a job uses or has used.
type Usage struct {
	// Cost is a decimal number in Currency; empty if the price is unknown.
	Cost             string `json:"cost,omitempty"`
	Currency         string `json:"currency,omitempty"`
	Images           int    `json:"images,omitempty"`
	Characters       int    `json:"characters,omitempty"`
	PromptTokens     int    `json:"prompt_tokens,omitempty"`
	CompletionTokens int    `json:"completion_tokens,omitempty"`
}

// Estimate is what a job would cost, and how long it would take.
type Estimate struct {
	// Input is complete: with the model, the size and the like that the server chooses.
	Input Input `json:"input"`
	// Cached reports that the job would be a copy of an identical one and cost nothing.
	Cached bool `json:"cached,omitempty"`
	// Units is what the job would count towards the quota.
	Units int   `json:"units"`
	Usage Usage `json:"usage"`
	// CostBasis is price_list, upper_bound (of a model priced by tokens), or unknown.
	CostBasis     string `json:"cost_basis"`
	QueuePosition *int   `json:"queue_position,omitempty"`
	ETASeconds    *int   `json:"eta_seconds,omitempty"`
	WaitingFor    string `json:"waiting_for,omitempty"`

	// Raw is the estimate as it was received.
	Raw json.RawMessage `json:"-"`
}

// Estimate returns what would become of a job if it were submitted now, and submits nothing. It fails with the *Problem with which the
// server would refuse the job.
func (c *Client) Estimate(ctx context.Context, r Request) (*Estimate, error) {
	body := struct {
		Request
		DryRun bool `json:"dry_run"`
	}{r, true}
	e := &Estimate{}
	if err := c.call(ctx, request{method: http.MethodPost, path: "/api/jobs", body: body}, &e.Raw); err != nil {
		return nil, err
	}
	return e, json.Unmarshal(e.Raw, e)
}
