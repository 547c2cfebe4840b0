package problem

import (
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// Budget is a budget in responses.
type Budget struct {
	Scope    quota.BudgetScope `json:"scope"`
	Period   quota.Period      `json:"period"`
	Limit    string            `json:"limit"`
	Used     string            `json:"used"`
	Currency string            `json:"currency"`
	ResetsAt job.Time          `json:"resets_at"`
}

// BudgetOf returns the budget of a window in responses.
func BudgetOf(u quota.Usage) Budget {
	return Budget{u.Budget.Scope, u.Budget.Period, u.Budget.Limit.String(), job.Amount(u.Used).String(), u.Budget.Currency, job.At(u.Ends)}
}

// periods are the names of periods in sentences.
var periods = map[quota.Period]Words{quota.PeriodDay: {"day", "今天"}, quota.PeriodMonth: {"month", "本月"}}

// exceededBudget returns the problem for a request that may cost more than is left of a budget.
func (w *Writer) exceededBudget(r *quota.Refusal) *Problem {
	asked, left := job.Amount(r.Asked), job.Amount(r.Remaining())
	p := &Problem{
		Code: CodeBudgetExceeded,
		Args: map[string]string{
			"asked": asked.String(), "left": left.String(), "max": r.Budget.Limit.String(), "currency": r.Budget.Currency,
		},
		Terms: map[string]Words{"period": periods[r.Budget.Period]},
		Extra: map[string]any{"budget": BudgetOf(r.Usage), "cost": asked.String()},
	}
	if r.Budget.Scope == quota.BudgetOfKey {
		p.Reason = "key"
	}
	if asked <= r.Budget.Limit {
		return p.RetryIn(r.Wait(w.now()))
	}
	return p
}
