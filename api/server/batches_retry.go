package server

import (
	"errors"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// retryBatch is POST /api/batches/:id/retry. It submits a new batch of the caller with the jobs that have failed or been canceled.
func (h *batchHandler) retryBatch(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	key, err := idempotencyKey(c.Request)
	if err != nil {
		return err
	}
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	orders, of, err := h.retryOrders(c)
	if err != nil {
		return err
	}
	return h.acceptBatch(c, caller, batch.Request{Orders: orders, Key: key, RetriedFrom: of}, make([]int, len(orders)))
}

// retryOrders returns the orders that repeat the failed and canceled jobs of the batch in the path, and its id.
func (h *batchHandler) retryOrders(c *gin.Context) (orders []*jobs.Order, of string, err error) {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	b, err := h.batchOf(ctx, c)
	if err != nil {
		return nil, "", err
	}
	found, err := h.batches.Jobs(ctx, b)
	if err != nil {
		return nil, "", err
	}
	models := h.models(ctx)
	var bad []problem.Line
	for i, id := range b.JobIDs() {
		snap := found[id]
		if snap == nil || snap.Record == nil || !snap.Record.CanBeRetried() {
			continue
		}
		o, err := h.submitter.NewRetry(snap.Spec, jobs.Retry{ID: id}, models)
		p, invalid := errors.AsType[*problem.Problem](invalidInput("/input", err))
		switch {
		case invalid:
			bad = append(bad, p.Line(i, 0, problem.Lang(c)))
		case err != nil:
			return nil, "", err
		}
		orders = append(orders, o)
	}
	switch {
	case len(orders) == 0:
		return nil, "", problem.Because(problem.CodeNotRetryable, "batch")
	case len(bad) > 0:
		return nil, "", problem.InvalidLines(bad, len(orders))
	}
	return orders, b.ID, nil
}
