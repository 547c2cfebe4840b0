package quota

import (
	"context"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// BudgetScope is whose budget a budget is.
type BudgetScope string

// The scopes.
const (
	BudgetOfAccount BudgetScope = "account"
	BudgetOfKey     BudgetScope = "api_key"
)

// Period is the period of a budget.
type Period string

// The periods, which begin at midnight UTC.
const (
	PeriodDay   Period = "day"
	PeriodMonth Period = "month"
)

// Budget limits what jobs may cost in a period.
type Budget struct {
	Scope    BudgetScope
	Period   Period
	Limit    job.Amount
	Currency string
	// Ends is when the next period begins.
	Ends time.Time
	// counter is the name of the counter, which the end of a job corrects.
	counter string
}

// Budgets returns the budgets of an account or API key at a time.
func Budgets(scope BudgetScope, who string, limits job.Budget, currency string, at time.Time) []Budget {
	at = at.UTC()
	var list []Budget
	if limits.PerDay > 0 {
		list = append(list, Budget{
			scope, PeriodDay, limits.PerDay, currency, at.Truncate(24*time.Hour).AddDate(0, 0, 1), spend.BudgetCounter(who, job.DayOf(at), currency),
		})
	}
	if limits.PerMonth > 0 {
		list = append(list, Budget{
			scope, PeriodMonth, limits.PerMonth, currency, time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC),
			spend.BudgetCounter(who, job.MonthOf(at), currency),
		})
	}
	return list
}

// window returns the name of the window of a budget.
func (b *Budget) window() string { return budgetWindow(b.Scope, b.Period) }

func budgetWindow(scope BudgetScope, period Period) string {
	name := string(scope)
	if scope == BudgetOfKey {
		name = "key"
	}
	return name + "-" + string(period) + "-budget"
}

func budgetWindows() []string {
	var names []string
	for _, scope := range []BudgetScope{BudgetOfAccount, BudgetOfKey} {
		for _, period := range []Period{PeriodDay, PeriodMonth} {
			names = append(names, budgetWindow(scope, period))
		}
	}
	return names
}

// month is the Length of the window of a month, which has no fixed length.
const month = 31 * 24 * time.Hour

// budgetUsages returns the windows of the budgets of a key, with Used unset.
func budgetUsages(key Key) []Usage {
	list := make([]Usage, len(key.Budgets))
	for i := range key.Budgets {
		b := &key.Budgets[i]
		list[i] = Usage{
			Group: key.Group, Window: b.window(), Limit: int(b.Limit), Length: 24 * time.Hour, Ends: b.Ends, Budget: b, units: int(key.Cost),
			counter: counter{broker.StreamSpend, broker.SpendBudgetSubject(b.counter)},
		}
		if b.Period == PeriodMonth {
			list[i].Length = month
		}
	}
	return list
}

// spendingOf returns what is charged to the budgets among windows; nil if there are none.
func spendingOf(list []Usage) *job.Spending {
	var s *job.Spending
	for _, u := range list {
		if u.Budget == nil {
			continue
		}
		if s == nil {
			s = &job.Spending{Amount: job.Amount(u.units)}
		}
		s.Budgets = append(s.Budgets, u.Budget.counter)
	}
	return s
}

// Spending returns what is stored with the job for the correction of its budgets, or otherwise if it is charged to none.
func (r *Reservation) Spending(otherwise *job.Spending) *job.Spending {
	if s := spendingOf(r.Usage); s != nil {
		return s
	}
	return otherwise
}

// WithoutBudgets returns the windows of quotas among windows: the list itself if there are no others.
func WithoutBudgets(list []Usage) []Usage {
	if !slices.ContainsFunc(list, func(u Usage) bool { return u.Budget != nil }) {
		return list
	}
	var quotas []Usage
	for _, u := range list {
		if u.Budget == nil {
			quotas = append(quotas, u)
		}
	}
	return quotas
}

// BudgetUsage returns the usage of budgets. It returns ErrUnavailable when a counter cannot be reached, and costs one request for each.
func (q *Quota) BudgetUsage(ctx context.Context, budgets []Budget) ([]Usage, error) {
	release, err := q.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	list := budgetUsages(Key{Budgets: budgets})
	return list, q.read(ctx, list)
}
