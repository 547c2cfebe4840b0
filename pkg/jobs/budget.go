package jobs

import (
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// BudgetConfig holds the settings of budgets.
type BudgetConfig struct {
	Currency string `env:"BUDGET_CURRENCY" envDefault:"pollen" doc:"Currency of all budgets. Models that are priced in another one count as models without a price."`
	PerDay   string `env:"ACCOUNT_BUDGET_PER_DAY" doc:"What the jobs of each account may cost per day, which begins at midnight UTC, as a decimal number in BUDGET_CURRENCY. Accounts and API keys can set lower limits. Empty means no limit."`
	PerMonth string `env:"ACCOUNT_BUDGET_PER_MONTH" doc:"The same per month. Empty means no limit."`
}

// limits returns the limits of each account, and the faults of the settings.
func (c BudgetConfig) limits() (limits job.Budget, faults []error) {
	for _, setting := range []struct {
		name, value string
		into        *job.Amount
	}{{"ACCOUNT_BUDGET_PER_DAY", c.PerDay, &limits.PerDay}, {"ACCOUNT_BUDGET_PER_MONTH", c.PerMonth, &limits.PerMonth}} {
		if setting.value == "" {
			continue
		}
		amount, err := job.ParseAmount(setting.value)
		if err != nil || amount == 0 {
			faults = append(faults, &env.Fault{Name: setting.name, Expected: "a decimal number above 0 with at most eight decimals"})
		}
		*setting.into = amount
	}
	if c.Currency == "" {
		faults = append(faults, &env.Fault{Name: "BUDGET_CURRENCY", Expected: "the currency of the price list"})
	}
	return limits, faults
}

// UnpricedError refuses a submission because there is a budget, but no price of the model in its currency.
type UnpricedError struct {
	Model    string
	Currency string
	// OfKey reports that the budget is that of the API key.
	OfKey bool
}

// Error names the model.
func (e *UnpricedError) Error() string {
	return fmt.Sprintf("the model %q has no price in %s", e.Model, e.Currency)
}

// BudgetOf returns the limits of an account with limits of its own: the lower ones of these and of the operator's.
func (s *Submitter) BudgetOf(own job.Budget) job.Budget {
	limits, _ := s.cfg.Budget.limits() // They are valid.
	return limits.Within(own)
}

// Budgets returns the budgets of an account and of API keys at a time, by the names of these.
func (s *Submitter) Budgets(scope quota.BudgetScope, who string, limits job.Budget, at time.Time) []quota.Budget {
	return quota.Budgets(scope, who, limits, s.cfg.Budget.Currency, at)
}

// BudgetCurrency returns the currency of all budgets.
func (s *Submitter) BudgetCurrency() string { return s.cfg.Budget.Currency }

// callerBudgets returns the budgets of a caller at a time, that of the API key first. Guests have none.
func (s *Submitter) callerBudgets(caller Caller, at time.Time) []quota.Budget {
	if caller.Lane != job.LaneMember {
		return nil
	}
	var list []quota.Budget
	if k := caller.Key; k != nil {
		list = s.Budgets(quota.BudgetOfKey, k.ID, k.Budget, at)
	}
	return append(list, s.Budgets(quota.BudgetOfAccount, caller.Owner, s.BudgetOf(caller.Budget), at)...)
}

// chargeKey returns the counters of a caller for jobs of a group that are expected to cost an amount.
func (s *Submitter) chargeKey(caller Caller, group quota.Group, cost job.Amount, at time.Time) quota.Key {
	key := s.names.quotaKey(caller, group)
	if cost > 0 {
		key.Cost, key.Budgets = cost, s.callerBudgets(caller, at)
	}
	return key
}

// expectedCost returns what a job is expected to cost at most in the currency of budgets, or 0 if it has no price.
func (s *Submitter) expectedCost(e job.Estimate) (cost job.Amount, priced bool) {
	cost, priced = e.Usage.Amount()
	if e.Usage.Currency != s.cfg.Budget.Currency {
		return 0, false
	}
	return cost, priced
}

// checkPriced returns an *UnpricedError if a caller with a budget requests an image or speech without a price. Texts have no price and are
// not refused.
func (s *Submitter) checkPriced(caller Caller, o *Order) error {
	if _, priced := s.expectedCost(o.estimate); priced || quota.GroupOf(o.Kind) == quota.GroupText {
		return nil
	}
	budgets := s.callerBudgets(caller, s.now())
	if len(budgets) == 0 {
		return nil
	}
	spec := job.Spec{Input: o.Input}
	return &UnpricedError{Model: spec.Model(), Currency: s.cfg.Budget.Currency, OfKey: budgets[0].Scope == quota.BudgetOfKey}
}
