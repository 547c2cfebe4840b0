package spend

import (
	"context"
	"math/big"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// BudgetCounter returns the name of the counter of the budget of an account or an API key in a period, as job.DayOf and job.MonthOf return
// them. Each currency has a counter of its own. That of an account counts whether it has a budget or not, so that one that is set
// later includes what was spent before.
func BudgetCounter(who, period, currency string) string {
	name := who + "." + period + "."
	if currency == "" {
		return name + noCurrency // A subject has no empty parts.
	}
	return name + encode(currency)
}

// noCurrency is in place of a currency that a price list has left out. No encoded text is the same.
const noCurrency = "-"

// budgetChanges returns how the end of a job changes counters of budgets: those that it was charged to are corrected by what it has cost, and
// the other ones of the account count that. released reports that the charge was reversed.
func budgetChanges(r *job.Record, released bool) []change {
	spec, usage := r.Spec, r.Usage()
	charged := spec.Spending
	var counters []string
	cost, known := usage.Amount()
	if known && cost > 0 {
		day, month := job.DayOf(spec.CreatedAt.Time), job.MonthOf(spec.CreatedAt.Time)
		counters = append(counters, BudgetCounter(spec.Owner, day, usage.Currency), BudgetCounter(spec.Owner, month, usage.Currency))
		if spec.APIKey != "" {
			for _, period := range []string{day, month} {
				if name := BudgetCounter(spec.APIKey, period, usage.Currency); slices.Contains(charged.Budgets, name) {
					counters = append(counters, name)
				}
			}
		}
	}
	var changes []change
	for _, name := range counters {
		changes = append(changes, change{broker.SpendBudgetSubject(name), big.NewInt(int64(cost))})
	}
	if released || (usage != nil && !known) {
		// What a job costs that has no price at its end stays what was expected.
		return changes
	}
	return append(changes, chargeChanges(charged, -1)...)
}

// chargeChanges returns the changes by which the budgets of a charge are charged, or reversed if times is -1.
func chargeChanges(charged *job.Spending, times int64) []change {
	changes := make([]change, 0, len(charged.Budgets))
	for _, name := range charged.Budgets {
		changes = append(changes, change{broker.SpendBudgetSubject(name), big.NewInt(times * int64(charged.Amount))})
	}
	return changes
}

// chargeMark marks that the charge of a job is reversed.
func chargeMark(spec *job.Spec) string {
	return broker.SpendMarkSubject(job.DayOf(spec.CreatedAt.Time), spec.ID+"-charge", spec.CreatedAt.Time)
}

// Release reverses the charge of a job that may or may not have been created, once. If it was created, its end corrects nothing.
func (c *Counters) Release(ctx context.Context, spec *job.Spec) error {
	if spec.Spending == nil || len(spec.Spending.Budgets) == 0 {
		return nil
	}
	return c.once(ctx, &entry{marks: []string{chargeMark(spec)}, changes: chargeChanges(spec.Spending, -1)})
}

// Charge charges budgets for the operation with an id, once, or reverses that if times is -1.
func (c *Counters) Charge(ctx context.Context, charged *job.Spending, id string, at time.Time, times int64) error {
	return c.once(ctx, &entry{marks: []string{broker.SpendMarkSubject(job.DayOf(at), id, at)}, changes: chargeChanges(charged, times)})
}

// Charged reports whether an operation of Charge was done. It costs one request.
func (c *Counters) Charged(ctx context.Context, id string, at time.Time) (bool, error) {
	return c.marked(ctx, broker.SpendMarkSubject(job.DayOf(at), id, at))
}

// EraseBudgets removes the counters of the budgets of accounts and API keys. It is idempotent and costs a request, and one for each.
func (c *Counters) EraseBudgets(ctx context.Context, who ...string) error {
	subjects := make([]string, len(who))
	for i, name := range who {
		subjects[i] = broker.SpendBudgetsSubject(name)
	}
	return c.purge(ctx, subjects...)
}
