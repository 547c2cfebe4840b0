package app_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// costOf returns the cost of the usage in a response.
func (i *instance) costOf(t testing.TB, body fields, headers ...string) (usage job.Usage, basis string) {
	t.Helper()
	var v struct {
		Usage     job.Usage
		CostBasis string `json:"cost_basis"`
	}
	resp := i.Do(t, http.MethodPost, "/api/jobs", body, headers...)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", resp.StatusCode, resp.Data)
	}
	resp.Decode(t, &v)
	return v.Usage, v.CostBasis
}

// TestCosts compares estimates with what the jobs cost.
func TestCosts(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.models(t)
	for _, test := range []struct {
		kind  string
		input fields
		basis string
	}{
		{"image", fields{"prompt": "boats", "model": "flux", "n": 3, "width": 64, "height": 64, "optimize": true}, "price_list"},
		{"image", fields{"prompt": "boats", "model": "gptimage", "width": 64, "height": 64}, "upper_bound"},
		{"audio", fields{"text": "Été, winter and 春"}, "price_list"},
		{"translation", fields{"text": "黄昏"}, "unknown"},
	} {
		body := fields{"kind": test.kind, "input": test.input, "dry_run": true}
		estimate, basis := i.costOf(t, body)
		delete(body, "dry_run")
		actual, _ := i.costOf(t, body, "Prefer: wait=60")
		expected, _ := estimate.Amount()
		cost, known := actual.Amount()
		if basis != test.basis || known != (basis != "unknown") || estimate.Currency != actual.Currency || cost > expected ||
			(basis == "price_list" && cost != expected) || estimate.Images != actual.Images || estimate.Characters != actual.Characters {
			t.Errorf("%v: estimated %+v by %s, cost %+v", test, estimate, basis, actual)
		}
	}
}
