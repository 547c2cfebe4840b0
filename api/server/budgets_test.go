package server_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// budgetReply is a budget in a response.
type budgetReply struct {
	Scope, Period, Limit, Used, Currency string
	APIKey                               *string `json:"api_key"`
	ResetsAt                             string  `json:"resets_at"`
}

// budgets returns the used amounts of the budgets of a member.
func (b *bundle) budgets(t testing.TB, who option) (used []string, list []budgetReply) {
	t.Helper()
	var u struct{ Budgets []budgetReply }
	b.get(t, "/api/usage", who).expect(t, http.StatusOK).decode(t, &u)
	for _, budget := range u.Budgets {
		used = append(used, budget.Used)
	}
	return used, u.Budgets
}

// exceeds checks that a submission was refused because of a budget.
func (r *reply) exceeds(t testing.TB, scope, period, cost string) {
	t.Helper()
	var p struct {
		Code, Detail, Cost string
		Budget             budgetReply
	}
	r.expect(t, http.StatusPaymentRequired).decode(t, &p)
	if p.Code != "budget_exceeded" || p.Budget.Scope != scope || p.Budget.Period != period || p.Cost != cost || p.Budget.ResetsAt == "" {
		t.Errorf("%s", r.body)
	}
}

// TestBudgets fills the budgets of a member and of its API keys, through every route, and those of nobody else.
func TestBudgets(t *testing.T) {
	t.Parallel()
	b := setup(t, withPrices, func(cfg *server.Config, _ *server.Deps) { cfg.Budget.PerMonth = "0.1" })
	ann := b.signUp(t, "ann@example.org")
	who := bearer(ann.Token)
	key := b.newKey(t, who, fields{"name": "build", "scopes": []string{"submit", "read"}, "budget_per_day": "0.005"})
	program := bearer(key.Key)
	image := func(n int) fields {
		return fields{"kind": "image", "input": fields{"prompt": "a fox", "model": "flux", "n": n}}
	}
	for _, wrong := range []string{"0", "-1", "1e3", "0.000000001"} {
		f := b.request(t, http.MethodPut, "/api/usage/budget", fields{"per_day": wrong}, who).problem(t, http.StatusBadRequest, "invalid_request")
		if f.Errors.list()[0] != "/per_day invalid_amount" {
			t.Errorf("%s: %v", wrong, f.Errors.list())
		}
	}
	// What was spent before the budget is set counts.
	first := b.submit(t, image(1), who).job(t, http.StatusAccepted).ID
	b.endWith(t, ann.User.ID, first, &job.Result{Usage: &job.Usage{Images: 1, Cost: "0.002", Currency: "pollen"}})
	b.request(t, http.MethodPut, "/api/usage/budget", fields{"per_day": "0.015", "per_month": "3"}, who).expect(t, http.StatusOK)
	used, list := b.budgets(t, who)
	if len(list) != 3 || used[0] != "0.002" || list[1].Limit != "0.1" || used[1] != "0.002" || *list[2].APIKey != key.ID || list[2].Limit != "0.005" {
		t.Errorf("%+v", list)
	}

	second := b.submit(t, image(2), program).job(t, http.StatusAccepted).ID
	b.submit(t, image(1), program).exceeds(t, "api_key", "day", "0.002")
	b.submit(t, image(4), who).expect(t, http.StatusAccepted)
	b.submit(t, image(1), who).exceeds(t, "account", "day", "0.002")
	dry := image(1)
	dry["dry_run"] = true
	b.submit(t, dry, who).exceeds(t, "account", "day", "0.002")
	b.post(t, "/api/batches", fields{"jobs": []fields{image(1)}}, who).exceeds(t, "account", "day", "0.002")
	// Libraries of OpenAI know an exhausted quota.
	refused := b.post(t, "/v1/images/generations", fields{"prompt": "a fox", "model": "flux"}, who).expect(t, http.StatusTooManyRequests)
	var open struct{ Error struct{ Code, Type string } }
	refused.decode(t, &open)
	if open.Error.Code != "insufficient_quota" || refused.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("%s", refused.body)
	}
	// A model without a price is refused, and texts, which have none, are not.
	unpriced := b.submit(t, fields{"kind": "image", "input": fields{"prompt": "a fox", "model": "klein"}}, who).problem(t, http.StatusPaymentRequired, "budget_exceeded")
	if unpriced.Detail != "Your account has a budget, and the model klein has no price in pollen; choose another model." {
		t.Errorf("%s", unpriced.Detail)
	}
	b.submit(t, goodBody, program).expect(t, http.StatusAccepted)
	// Jobs that cost less, or nothing, make room.
	b.endWith(t, ann.User.ID, second, &job.Result{Usage: &job.Usage{Images: 1, Cost: "0.001", Currency: "pollen"}})
	if used, _ := b.budgets(t, who); used[0] != "0.011" || used[2] != "0.001" {
		t.Errorf("used %v", used)
	}
	third := b.submit(t, image(2), program).job(t, http.StatusAccepted).ID
	b.cancel(t, third, who).expect(t, http.StatusOK)
	if used, _ := b.budgets(t, who); used[0] != "0.011" || used[2] != "0.001" {
		t.Errorf("after a cancel: used %v", used)
	}
	b.post(t, "/api/batches", fields{"jobs": []fields{image(1), image(1)}}, program).expect(t, http.StatusAccepted)
	if used, _ := b.budgets(t, who); used[0] != "0.015" || used[2] != "0.005" {
		t.Errorf("after a batch: used %v", used)
	}

	b.request(t, http.MethodPut, "/api/usage/budget", fields{"per_day": "0.02"}, program).problem(t, http.StatusForbidden, "session_required")

	// Others are not concerned: another member has the operator's budget only, and guests have none.
	bob := b.newMember(t, "bob@example.org")
	b.submit(t, image(4), bob).expect(t, http.StatusAccepted)
	b.submit(t, fields{"kind": "image", "input": fields{"prompt": "a fox", "model": "klein"}}, bob).problem(t, http.StatusPaymentRequired, "budget_exceeded")
	jar, _ := guest()
	b.submit(t, fields{"kind": "image", "input": fields{"prompt": "a fox", "model": "klein"}}, cookie(jar)).expect(t, http.StatusAccepted)
	must(t, b.deps.Eraser.Erase(t.Context(), ann.User.ID))
	if found := b.storedMentions(t, "spend.budget."+ann.User.ID, "spend.total."+ann.User.ID); len(found) != 0 {
		t.Errorf("left after the deletion: %v", found)
	}
}

// TestBudgetAcrossProcesses sends submissions of a member to two processes at once.
func TestBudgetAcrossProcesses(t *testing.T) {
	t.Parallel()
	unlimited := func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveMember, cfg.MaxPending = 0, 10_000 }
	one := setup(t, withPrices, unlimited)
	two := one.secondProcess(t)
	who := one.newMember(t, "ann@example.org")
	one.request(t, http.MethodPut, "/api/usage/budget", fields{"per_month": "0.05"}, who).expect(t, http.StatusOK)
	var accepted atomic.Int64
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			b := one
			if i%2 == 0 {
				b = two
			}
			switch r := b.submit(t, fields{"kind": "image", "input": fields{"prompt": "a fox", "model": "flux", "n": 1 + i%2}}, who); r.StatusCode {
			case http.StatusAccepted:
				accepted.Add(int64(1 + i%2))
			case http.StatusPaymentRequired:
			default:
				t.Errorf("%d: %s", r.StatusCode, r.body)
			}
		})
	}
	wg.Wait()
	used, _ := one.budgets(t, who)
	want := job.Amount(accepted.Load() * 200_000).String()
	if n := accepted.Load(); n > 25 || n < 22 || used[0] != want {
		t.Errorf("%d images accepted, %s used, want %s", n, used[0], want)
	}
}
