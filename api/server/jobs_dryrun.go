package server

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// costView is the estimate of one job or of a batch.
type costView struct {
	// DryRun is true; it distinguishes an estimate from a job.
	DryRun bool `json:"dry_run"`
	// Units is what would be charged to the quota.
	Units     int           `json:"units"`
	Usage     job.Usage     `json:"usage"`
	CostBasis job.CostBasis `json:"cost_basis"`
}

// estimateView is the response of a dry run of POST /api/jobs.
type estimateView struct {
	costView
	Kind  job.Kind  `json:"kind"`
	Input job.Input `json:"input"`
	// Cached reports that the job would be a copy of an identical one: it costs nothing and would have ended at once.
	Cached bool `json:"cached,omitempty"`
	// QueuePosition and ETASeconds are those of a job that would be submitted now, absent if unknown.
	QueuePosition *int   `json:"queue_position,omitempty"`
	ETASeconds    *int   `json:"eta_seconds,omitempty"`
	WaitingFor    string `json:"waiting_for,omitempty"`
	WaitingReason string `json:"waiting_reason,omitempty"`
}

// estimate responds with what would become of an order, or with the problem for which it would be refused.
func (h *jobHandler) estimate(c *gin.Context, caller session.Caller, o *jobs.Order) error {
	cached, err := h.tryOut(c, caller, []*jobs.Order{o}, false, func(ctx context.Context) error {
		return h.findReferences(ctx, caller, o, false)
	})
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	view := estimateView{Kind: o.Kind, Input: o.Input, Cached: cached}
	e, units := o.Estimate()
	view.DryRun = true
	if cached {
		view.Usage, view.CostBasis = job.Usage{Cost: "0", Currency: e.Usage.Currency}, job.CostListed
		respondEstimate(c, view)
		return nil
	}
	view.Units, view.Usage, view.CostBasis = units, e.Usage, e.Basis
	x := h.feed.Expect(ctx, o.Kind, caller.Lane)
	view.QueuePosition = x.Position
	if x.Seconds > 0 {
		view.ETASeconds = &x.Seconds
	}
	if w := x.Waiting; w != nil {
		view.WaitingFor, view.WaitingReason = jobview.WaitingFor(*w, problem.Lang(c)), w.Reason
	}
	respondEstimate(c, view)
	return nil
}

func respondEstimate(c *gin.Context, view any) {
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, view)
}

// tryOut checks whether orders would be accepted, as a batch or not, after find has found their reference images. It reports whether the
// only one would be a copy.
func (h *jobHandler) tryOut(
	c *gin.Context, caller session.Caller, orders []*jobs.Order, batch bool, find func(context.Context) error,
) (cached bool, err error) {
	if err := h.sessions.RequireVerified(caller.Member); err != nil {
		return false, err
	}
	ctx, release, err := h.begin(c, caller)
	if err != nil {
		return false, err
	}
	defer release()
	if err := find(ctx); err != nil {
		return false, err
	}
	trial, err := h.submitter.DryRun(ctx, caller.Submitter(c), orders, batch)
	if err != nil {
		return false, err
	}
	h.problems.SetUsage(c, trial.Usage)
	return trial.Cached, nil
}

// batchEstimateView is the response of a dry run of POST /api/batches.
type batchEstimateView struct {
	costView
	Total int `json:"total"`
	// UnknownCosts is how many of the jobs the cost leaves out.
	UnknownCosts int `json:"unknown_costs"`
}

// estimateBatch is estimate for the orders of a batch. numbers are those of the lines of its jobs; 0 if the body has no lines.
func (h *batchHandler) estimateBatch(c *gin.Context, caller session.Caller, orders []*jobs.Order, numbers []int) error {
	_, err := h.tryOut(c, caller, orders, true, func(ctx context.Context) error {
		for _, o := range orders {
			if err := h.findReferences(ctx, caller, o, true); err != nil {
				return err
			}
		}
		return checkReferences(orders, numbers, problem.Lang(c))
	})
	if err != nil {
		return err
	}
	view := batchEstimateView{costView: costView{DryRun: true}, Total: len(orders)}
	estimates := make([]job.Estimate, len(orders))
	for i, o := range orders {
		var units int
		estimates[i], units = o.Estimate()
		view.Units += units
	}
	var sum job.Estimate
	sum, view.UnknownCosts = job.SumEstimates(estimates)
	view.Usage, view.CostBasis = sum.Usage, sum.Basis
	respondEstimate(c, view)
	return nil
}
