package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

const (
	// maxBatchBody is the largest body of a batch. A thousand prompts of 2,000 characters fit four times.
	maxBatchBody = 8 << 20
	// maxBatchBodies bounds the batches that are read and accepted at once, half of them from one address: a parsed body takes
	// several times its size in memory.
	maxBatchBodies = 8
)

// submitBatch is POST /api/batches. It accepts all jobs of the body, or none of them.
func (h *batchHandler) submitBatch(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	key, err := idempotencyKey(c.Request)
	if err != nil {
		return err
	}
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	release, _, ok := h.bodies.Reserve(maxBatchBodies, ratelimit.Bound{Key: caller.Address, Max: maxBatchBodies / 2})
	if !ok {
		return problem.Because(problem.CodeUnavailable, "busy")
	}
	defer release()
	lines, dryRun, err := readBatch(c)
	if err != nil {
		return err
	}
	orders, err := h.batchOrders(c, caller, lines)
	if err != nil {
		return err
	}
	numbers := make([]int, len(lines))
	for i, line := range lines {
		numbers[i] = line.number
	}
	if dryRun {
		return h.estimateBatch(c, caller, orders, numbers)
	}
	return h.acceptBatch(c, caller, batch.Request{Orders: orders, Key: key}, numbers)
}

// batchLine is one job of the body of a batch. Either text or node is set.
type batchLine struct {
	// number is that of the line in the body; 0 if the body has no lines.
	number int
	// text is parsed when its turn comes, so that only one line at a time takes the memory of its values.
	text []byte
	node *bind.Node
}

// parsed returns the value of a line, or a problem.
func (l *batchLine) parsed() (*bind.Node, error) {
	if l.node != nil {
		return l.node, nil
	}
	return bind.Parse(l.text)
}

// readBatch reads the body of a batch: {"jobs": [...]}, in which dry_run may be set, or one job per line.
func readBatch(c *gin.Context) (lines []batchLine, dryRun bool, err error) {
	if bind.IsLines(c.Request) {
		list, err := bind.Lines(c)
		if err != nil {
			return nil, false, err
		}
		if len(list) > batch.MaxJobs {
			return nil, false, tooManyJobs()
		}
		for _, line := range list {
			lines = append(lines, batchLine{number: line.Number, text: line.Text})
		}
		return lines, false, nil
	}
	var body struct {
		Jobs   *bind.Node `json:"jobs"`
		DryRun bool       `json:"dry_run"`
	}
	b, err := bind.JSON(c, &body)
	if p, ok := errors.AsType[*problem.Problem](err); ok && p.Code == problem.CodeMediaType {
		return nil, false, problem.Because(problem.CodeMediaType, "lines")
	}
	if err != nil {
		return nil, false, err
	}
	switch {
	case bind.Has(b.Faults, "/jobs"):
	case body.Jobs == nil, body.Jobs.Kind == bind.Array && len(body.Jobs.Items()) == 0:
		b.Add("/jobs", "required")
	case body.Jobs.Kind != bind.Array:
		b.Add("/jobs", "wrong_type", "want", string(bind.Array))
	case len(body.Jobs.Items()) > batch.MaxJobs:
		return nil, false, tooManyJobs()
	}
	if err := b.Err(); err != nil {
		return nil, false, err
	}
	for _, node := range body.Jobs.Items() {
		lines = append(lines, batchLine{node: node})
	}
	return lines, body.DryRun, nil
}

func tooManyJobs() error {
	return problem.Invalid(job.FieldError{Pointer: "/jobs", Code: "too_many_items", Args: map[string]string{"max": strconv.Itoa(batch.MaxJobs)}})
}

// batchOrders returns the orders of the lines of a batch, or a problem with the errors of all invalid lines.
func (h *batchHandler) batchOrders(c *gin.Context, caller session.Caller, lines []batchLine) ([]*jobs.Order, error) {
	models, lang := h.models(c.Request.Context()), problem.Lang(c)
	orders := make([]*jobs.Order, len(lines))
	var bad []problem.Line
	for i, line := range lines {
		var sub submission
		node, err := line.parsed()
		if err == nil {
			var b bind.Binder
			b.Object("", node, &sub)
			if sub.DryRun {
				b.Add("/dry_run", "unknown_field") // It is a member of the batch.
			}
			orders[i], err = h.order(models, &sub, &b)
		}
		p, invalid := errors.AsType[*problem.Problem](err)
		switch {
		case invalid:
			bad = append(bad, p.Line(i, line.number, lang))
		case err != nil:
			return nil, err
		case (sub.Webhook != nil || len(sub.WebhookEvents) > 0) && caller.Member == nil:
			return nil, signInForWebhooks(c)
		}
	}
	if len(bad) > 0 {
		return nil, problem.InvalidLines(bad, len(lines))
	}
	return orders, nil
}

// acceptBatch accepts a batch and responds with it. numbers are those of the lines of its jobs; 0 if the body has no lines.
func (h *batchHandler) acceptBatch(c *gin.Context, caller session.Caller, r batch.Request, numbers []int) error {
	if err := h.sessions.RequireVerified(caller.Member); err != nil {
		return err
	}
	ctx, release, err := h.begin(c, caller)
	if err != nil {
		return err
	}
	defer release()
	if err := h.setDefaultWebhook(ctx, caller, r.Orders); err != nil {
		return err
	}
	for _, o := range r.Orders {
		// Whether the request is repeated shows later.
		if err := h.findReferences(ctx, caller, o, true); err != nil {
			return err
		}
	}
	lang := problem.Lang(c)
	r.Check = func() error { return checkReferences(r.Orders, numbers, lang) }
	r.Caller = caller.Submitter(c)
	accepted, err := h.batches.Accept(ctx, h.submitter, r)
	if !errors.Is(err, kv.ErrFull) {
		if deleted := h.owners.undoSubmissionIfDeleted(c, err); deleted != nil {
			return deleted
		}
	}
	if err != nil {
		return batchReferenceProblem(err, numbers, lang)
	}
	h.problems.SetUsage(c, accepted.Usage)
	c.Header("Location", batchPath(accepted.Batch.ID))
	if accepted.Replayed {
		c.Header("Idempotent-Replayed", "true")
		found, err := h.batches.Jobs(ctx, accepted.Batch)
		if err != nil {
			return err
		}
		v := viewOf(accepted.Batch, found)
		status := http.StatusAccepted
		if v.Status == batchFinished {
			status = http.StatusOK
		}
		h.showBatch(c, status, v)
		return nil
	}
	for _, o := range r.Orders {
		h.metrics.JobsSubmitted.WithLabelValues(string(o.Kind), string(caller.Lane)).Inc()
	}
	h.showBatch(c, http.StatusAccepted, newView(accepted.Batch))
	return nil
}

// setDefaultWebhook sets the webhook of the account of a member in orders.
func (h *batchHandler) setDefaultWebhook(ctx context.Context, caller session.Caller, orders []*jobs.Order) error {
	if caller.Member == nil {
		return nil
	}
	w, err := h.webhooks.hooks.Default(ctx, caller.Owner)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if o.WantsDefaultWebhook() {
			o.SetDefaultWebhook(w)
		}
	}
	return nil
}

// maxBatchReferenceBytes bounds the stored reference images of a batch, which are copied for each of its jobs while the request waits.
const maxBatchReferenceBytes = 64 << 20

// checkReferences returns a problem with the jobs whose stored reference images cannot be used.
func checkReferences(orders []*jobs.Order, numbers []int, lang job.Lang) error {
	var bad []problem.Line
	total := int64(0)
	for i, o := range orders {
		faults := slices.Clone(o.Missing())
		if total += o.ReferenceBytes(); total > maxBatchReferenceBytes && o.ReferenceBytes() > 0 {
			faults = append(faults, job.FieldError{
				Pointer: "/reference_images", Code: "batch_references_too_large", Args: map[string]string{"max": strconv.Itoa(maxBatchReferenceBytes)},
			})
		}
		if len(faults) > 0 {
			bad = append(bad, problem.Invalid(prefixPointers("/input", faults)...).Line(i, numbers[i], lang))
		}
	}
	if len(bad) > 0 {
		return problem.InvalidLines(bad, len(orders))
	}
	return nil
}

// batchReferenceProblem converts the error of a job whose reference image was removed meanwhile to a problem, and returns any other
// error unchanged.
func batchReferenceProblem(err error, numbers []int, lang job.Lang) error {
	failed, ok := errors.AsType[*jobs.BatchError](err)
	if !ok {
		return err
	}
	if p, invalid := errors.AsType[*problem.Problem](invalidInput("/input", failed.Err)); invalid {
		return problem.InvalidLines([]problem.Line{p.Line(failed.Index, numbers[failed.Index], lang)}, len(numbers))
	}
	return err
}
