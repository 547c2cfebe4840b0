package quota_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// withBudgets returns a key without quotas whose jobs cost an amount.
func withBudgets(cost job.Amount, budgets ...quota.Budget) quota.Key {
	key := member("ann")
	key.Address, key.Budgets, key.Cost = "", budgets, cost
	return key
}

// spent returns the usage of budgets.
func spent(t testing.TB, q *quota.Quota, budgets []quota.Budget) string {
	t.Helper()
	list, err := q.BudgetUsage(t.Context(), budgets)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, u := range list {
		text += job.Amount(u.Used).String() + " "
	}
	return text
}

// costing returns the record of a job that was charged to budgets, and has cost an amount; "" means that it has failed.
func costing(id, cost string, charged *job.Spending, created time.Time) *job.Record {
	r := &job.Record{Status: job.StatusFailed, FinishedAt: job.At(time.Now()), Spec: &job.Spec{
		ID: id, Kind: job.KindImage, Lane: job.LaneMember, Owner: "ann", APIKey: "key_1", Input: &job.ImageInput{Model: "flux"},
		CreatedAt: job.At(created), Spending: charged,
	}}
	if cost != "" {
		r.Status, r.Result = job.StatusSucceeded, &job.Result{Usage: &job.Usage{Images: 1, Cost: cost, Currency: "pollen"}}
	}
	return r
}

// TestConcurrentBudgets charges a thousand jobs at once in two processes. As many are accepted as the budget has room for, and at their
// end it is corrected by what they have cost, once.
func TestConcurrentBudgets(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	now := time.Now()
	processes := []*quota.Quota{quota.New(b, quota.Plans{}, nil), quota.New(b, quota.Plans{}, nil)}
	budgets := append(quota.Budgets(quota.BudgetOfKey, "key_1", job.Budget{PerMonth: 100_000}, "pollen", now),
		quota.Budgets(quota.BudgetOfAccount, "ann", job.Budget{PerDay: 7_000}, "pollen", now)...)
	const jobs, cost = 1000, 300
	var accepted atomic.Int64
	charges := make([]*quota.Reservation, jobs)
	var wg sync.WaitGroup
	for i := range jobs {
		wg.Go(func() {
			q, key := processes[i%2], withBudgets(cost, budgets...)
			end, err := q.Reserve(t.Context(), key, 1)
			if err != nil {
				t.Error(err)
				return
			}
			defer end()
			r, err := q.Charge(t.Context(), key, fmt.Sprint("j", i), 1)
			if refusal, refused := errors.AsType[*quota.Refusal](err); refused {
				if refusal.Budget == nil || refusal.Budget.Scope != quota.BudgetOfAccount || refusal.Asked != cost {
					t.Errorf("%+v", refusal)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			accepted.Add(1)
			charges[i] = r
		})
	}
	wg.Wait()
	q := processes[0]
	// Processes that fill the last room at once may each reverse their charges, and a later submission gets it.
	for ; accepted.Load() < 23; accepted.Add(1) {
		i := len(charges)
		r, err := q.Charge(t.Context(), withBudgets(cost, budgets...), fmt.Sprint("j", i), 1)
		if err != nil {
			t.Fatal(err)
		}
		charges = append(charges, r)
	}
	if n := accepted.Load(); n != 23 || spent(t, q, budgets) != "0.000069 0.000069 " {
		t.Fatalf("%d accepted, %s", n, spent(t, q, budgets))
	}
	// The first costs as expected, the second less, the third nothing, and the fourth more.
	counters := spend.New(b)
	for _, test := range []struct{ cost, want string }{
		{"0.000003", "0.000069 0.000069 "}, {"0.000001", "0.000067 0.000067 "}, {"", "0.000064 0.000064 "}, {"0.000005", "0.000066 0.000066 "},
	} {
		for i, r := range charges {
			if r == nil {
				continue
			}
			record := costing(fmt.Sprint("j", i), test.cost, r.Spending(nil), now)
			for n := range 3 {
				if err := counters.Add(t.Context(), record, n == 0); err != nil {
					t.Fatal(err)
				}
			}
			charges[i] = nil
			break
		}
		if got := spent(t, q, budgets); got != test.want {
			t.Errorf("after one that has cost %q: %s, want %s", test.cost, got, test.want)
		}
	}
	if _, err := q.Charge(t.Context(), withBudgets(400, budgets...), "last", 1); err != nil {
		t.Error(err)
	}
}

// TestReleasedBudgets reverses charges of jobs that may exist, before and after their ends, and of batches.
func TestReleasedBudgets(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	// The jobs are from an hour ago, which was the day before if it has just begun.
	now := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	q, counters := quota.New(b, quota.Plans{}, nil), spend.New(b)
	budgets := quota.Budgets(quota.BudgetOfAccount, "ann", job.Budget{PerDay: 1000, PerMonth: 1000}, "pollen", now)
	expect := func(what, want string) {
		t.Helper()
		if got := spent(t, q, budgets); got != want+" "+want+" " {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	reserve := func(id string) (*quota.Reservation, *job.Record) {
		r, err := q.Charge(t.Context(), withBudgets(600, budgets...), id, 1)
		if err != nil {
			t.Fatal(err)
		}
		return r, costing(id, "0.000001", r.Spending(nil), now.Add(-time.Hour))
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r, record := reserve("a")
	must(r.ReleaseIfAbsent(t.Context(), record.Spec))
	must(r.ReleaseIfAbsent(t.Context(), record.Spec))
	expect("released", "0")
	record.Spec.CreatedAt = job.At(now.Add(-time.Hour))
	must(counters.Add(t.Context(), record, true))
	expect("it existed", "0.000001")

	r, record = reserve("b")
	must(counters.Add(t.Context(), record, true))
	must(r.ReleaseIfAbsent(t.Context(), record.Spec))
	expect("released after its end", "0.000002")

	plan := q.Plan(withBudgets(700, budgets...), "batch", now, 7)
	_, err := q.ChargeBulk(t.Context(), plan)
	must(err)
	expect("a batch", "0.000009")
	if _, err := q.ChargeBulk(t.Context(), q.Plan(withBudgets(101, budgets...), "other", now, 1)); err == nil {
		t.Error("a batch beyond the budget is accepted")
	}
	for range 2 {
		must(quota.ReverseBulk(t.Context(), b, plan))
	}
	expect("a reversed batch", "0.000002")
	must(quota.ReverseBulk(t.Context(), b, q.Plan(withBudgets(1, budgets...), "never", now, 1)))
	expect("one that was not charged", "0.000002")
}
