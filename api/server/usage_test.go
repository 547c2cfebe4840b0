package server_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// usageReply is the response of GET /api/usage.
type usageReply struct {
	Since, Until string
	Rows         []struct {
		Day, Kind, Model, APIKey, Cost *string
		Jobs, Units                    int
		UnpricedJobs                   int `json:"unpriced_jobs"`
	}
	Totals []struct {
		Jobs           int
		Cost, Currency string
	}
}

func (b *bundle) usage(t testing.TB, query string, who option) (u usageReply) {
	t.Helper()
	b.get(t, "/api/usage"+query, who).expect(t, http.StatusOK).decode(t, &u)
	return u
}

// endWith ends a queued job with a result as a worker does.
func (b *bundle) endWith(t testing.TB, owner, id string, result *job.Result) {
	t.Helper()
	entry := b.queueEntry(t, owner, id)
	_, _, err := b.jobs.Settle(t.Context(), jobs.Settlement{Record: &job.Record{
		Status: job.StatusSucceeded, Spec: entry.Spec, FinishedAt: job.At(time.Now()), Result: result,
	}})
	must(t, err)
}

// TestUsage sums what the jobs of a member have cost, for the member and its API keys, until the account is deleted.
func TestUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, "ann@example.org")
	bob := b.signUp(t, "bob@example.org")
	who := bearer(ann.Token)
	key := b.newKey(t, who, fields{"name": "build", "scopes": []string{"submit", "read"}})
	if u := b.usage(t, "", who); len(u.Rows) != 0 || len(u.Totals) != 0 {
		t.Errorf("%+v", u)
	}
	for token, owner := range map[string]string{ann.Token: ann.User.ID, key.Key: ann.User.ID, bob.Token: bob.User.ID} {
		id := b.submitImage(t, bearer(token)).job(t, http.StatusAccepted).ID
		b.endWith(t, owner, id, &job.Result{Usage: &job.Usage{Images: 1, Cost: "0.002", Currency: "pollen"}})
	}
	text := b.submit(t, goodBody, who).job(t, http.StatusAccepted).ID
	b.endWith(t, ann.User.ID, text, &job.Result{Text: "t", Usage: &job.Usage{PromptTokens: 3}})
	today := time.Now().UTC().Format(time.DateOnly)
	u := b.usage(t, "?group_by=day,kind,api_key&since="+today, bearer(key.Key))
	if len(u.Rows) != 3 || *u.Rows[0].Day != today || u.Rows[0].Model != nil || u.Totals[0].Jobs != 3 || u.Totals[0].Cost != "0.004" {
		t.Errorf("%+v", u)
	}
	if u := b.usage(t, "?api_key="+key.ID+"&kind=image", who); len(u.Rows) != 1 || *u.Rows[0].Cost != "0.002" {
		t.Errorf("%+v", u)
	}
	if u := b.usage(t, "?kind=prompt", who); u.Rows[0].Cost != nil || u.Rows[0].UnpricedJobs != 1 {
		t.Errorf("%+v", u)
	}
	for query, want := range map[string]string{
		"?since=yesterday": "?since invalid_date", "?since=2026-01-01&until=2026-04-03": "?since out_of_range",
		"?since=2026-01-02&until=2026-01-01": "?since out_of_range", "?group_by=owner": "?group_by unknown_value", "?kind=x": "?kind unknown_value",
	} {
		if f := b.get(t, "/api/usage"+query, who).problem(t, http.StatusBadRequest, "invalid_request"); f.Errors.list()[0] != want {
			t.Errorf("%s: %v", query, f.Errors.list())
		}
	}
	early := b.get(t, "/api/usage?since=2026-01-01&until=2026-04-03", who).problem(t, http.StatusBadRequest, "invalid_request")
	if want := "since must be between 2026-01-02 and 2026-04-03"; early.Detail != want {
		t.Errorf("%q, want %q", early.Detail, want)
	}
	b.usage(t, "?since=2026-01-01&until=2026-04-02", who)
	b.get(t, "/api/usage").problem(t, http.StatusUnauthorized, "sign_in_required")
	must(t, b.deps.Eraser.Erase(t.Context(), ann.User.ID))
	if u := b.usage(t, "", who); len(u.Rows) != 0 {
		t.Errorf("erased: %+v", u)
	}
}
