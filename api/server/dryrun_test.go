package server_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// withPrices has images of flux cost 0.002 each, and other models nothing known.
func withPrices(_ *server.Config, deps *server.Deps) {
	models := catalogue.Builtin()
	for i := range models.Images {
		if models.Images[i].Name == "flux" {
			models.Images[i].Price = &job.Price{Currency: "pollen", PerImage: "0.002"}
		}
	}
	deps.Models = func(context.Context) *job.Catalogue { return models }
}

// estimateReply is the response of a dry run.
type estimateReply struct {
	DryRun        bool `json:"dry_run"`
	Kind          string
	Input         fields
	Total, Units  int
	Usage         job.Usage
	CostBasis     string `json:"cost_basis"`
	UnknownCosts  int    `json:"unknown_costs"`
	QueuePosition *int   `json:"queue_position"`
}

func (r *reply) estimate(t testing.TB) (e estimateReply) {
	t.Helper()
	r.expect(t, http.StatusOK).decode(t, &e)
	if !e.DryRun {
		t.Errorf("no estimate: %s", r.body)
	}
	return e
}

// TestDryRun asks what would become of jobs: each refusal is that of a submission, and nothing is created or charged.
func TestDryRun(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(20, 3), withPrices, withAdmin, func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveGuest = 1 })
	jar, owner := guest()
	who := cookie(jar)
	const two = `{"kind":"image","input":{"prompt":"a fox","n":2}`
	e := b.submitWithKey(t, "k", two+`,"dry_run":true}`, who).estimate(t)
	if e.Units != 2 || e.Usage != (job.Usage{Images: 2, Cost: "0.004", Currency: "pollen"}) || e.CostBasis != "price_list" ||
		e.Input["model"] != "flux" || *e.QueuePosition != 0 {
		t.Errorf("%+v", e)
	}
	text := b.submit(t, `{"kind":"prompt","input":{"text":"a fox"},"dry_run":true}`, who).estimate(t)
	if text.Usage != (job.Usage{}) || text.CostBasis != "unknown" {
		t.Errorf("%+v", text)
	}
	if queued := b.queued(t, owner); len(queued) != 0 {
		t.Errorf("queued: %v", queued)
	}
	b.expectLeft(t, "after dry runs", 3, who)
	b.submit(t, two+`,"dry_run":"yes"}`, who).problem(t, http.StatusBadRequest, "invalid_request")
	b.submit(t, `{"kind":"image","input":{},"dry_run":true}`, who).problem(t, http.StatusBadRequest, "invalid_request")
	b.submit(t, `{"kind":"image","input":{"prompt":"a fox","n":4},"dry_run":true}`, who).problem(t, http.StatusPaymentRequired, "quota_exceeded")
	if n := b.metric(t, "quota_refusals_total"); n != 0 {
		t.Errorf("%v refusals counted", n)
	}
	// The key is still free for another request.
	b.submitWithKey(t, "k", imageBody, who).expect(t, http.StatusAccepted)
	b.submit(t, two+`,"dry_run":true}`, who).problem(t, http.StatusTooManyRequests, "too_many_active_jobs")
	other, _ := guest()
	if e := b.submit(t, two+`,"dry_run":true}`, cookie(other)).estimate(t); *e.QueuePosition != 1 {
		t.Errorf("position %d", *e.QueuePosition)
	}

	const lines = `{"jobs":[{"kind":"image","input":{"prompt":"a fox"}},{"kind":"image","input":{"prompt":"a fox","model":"klein"}},{"kind":"prompt","input":{"text":"t"}}]`
	sum := b.post(t, "/api/batches", lines+`,"dry_run":true}`, who).estimate(t)
	if sum.Total != 3 || sum.Units != 3 || sum.Usage.Cost != "0.002" || sum.Usage.Images != 2 || sum.UnknownCosts != 2 {
		t.Errorf("%+v", sum)
	}
	b.post(t, "/api/batches", `{"dry_run":true,"jobs":[`+two+`},`+two+`}]}`, who).problem(t, http.StatusPaymentRequired, "quota_exceeded")
	var bad batchProblem
	b.post(t, "/api/batches", `{"dry_run":true,"jobs":[`+two+`,"dry_run":true},{"kind":"x"}]}`, who).expect(t, http.StatusBadRequest).decode(t, &bad)
	if len(bad.Lines) != 2 || bad.Lines[0].Errors[0].Pointer != "/dry_run" {
		t.Errorf("%+v", bad)
	}
	b.admin(t, http.MethodPost, "/switches/accept", fields{"value": "off"}).expect(t, http.StatusOK)
	b.submit(t, two+`,"dry_run":true}`, cookie(other)).problem(t, http.StatusServiceUnavailable, "submissions_stopped")
	if ids := jobIDs(b.list(t, "", jar)); len(ids) != 1 || !slices.Equal(ids, b.queued(t, owner)) {
		t.Errorf("listed %v", ids)
	}
}
