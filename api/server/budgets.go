package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// budgetView is a budget with what is used of it.
type budgetView struct {
	problem.Budget
	// APIKey is the ID of the API key; null for the budget of the account.
	APIKey *string `json:"api_key"`
}

// budgets returns the budgets of an account and of its API keys.
func (h *usageHandler) budgets(ctx context.Context, u *account.User) ([]budgetView, error) {
	owner, now := u.Owner(), h.now()
	keys, err := h.keys.List(ctx, owner)
	if err != nil {
		return nil, err
	}
	list := h.submitter.Budgets(quota.BudgetOfAccount, owner, h.submitter.BudgetOf(u.Budget), now)
	views := make([]budgetView, len(list))
	for _, k := range keys {
		for _, b := range h.submitter.Budgets(quota.BudgetOfKey, k.ID, k.Budget, now) {
			list, views = append(list, b), append(views, budgetView{APIKey: &k.ID})
		}
	}
	usage, err := h.quota.BudgetUsage(ctx, list)
	if err != nil {
		return nil, err
	}
	for i, u := range usage {
		views[i].Budget = problem.BudgetOf(u)
	}
	return views, nil
}

// accountBudget is the budget that an account has set, in requests and responses. Amounts are decimal numbers; null means no limit.
type accountBudget struct {
	PerDay   *string `json:"per_day"`
	PerMonth *string `json:"per_month"`
}

// setBudget is PUT /api/usage/budget.
func (h *usageHandler) setBudget(c *gin.Context, m *session.Member) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	var body accountBudget
	b, err := bind.JSON(c, &body)
	if err != nil {
		return err
	}
	budget, faults := job.ParseBudget("/per_day", body.PerDay, "/per_month", body.PerMonth)
	b.AddMissing(faults...)
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	u, err := h.accounts.SetBudget(ctx, m.User, budget)
	if err != nil {
		return err
	}
	view := struct {
		accountBudget
		Currency string       `json:"currency"`
		Budgets  []budgetView `json:"budgets"`
	}{accountBudget: accountBudget{amountOrNil(u.Budget.PerDay), amountOrNil(u.Budget.PerMonth)}, Currency: h.submitter.BudgetCurrency()}
	if view.Budgets, err = h.budgets(ctx, u); err != nil {
		return err
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, view)
	return nil
}

// amountOrNil returns an amount as a decimal number, or nil if it is 0.
func amountOrNil(a job.Amount) *string {
	if a == 0 {
		return nil
	}
	return new(a.String())
}
