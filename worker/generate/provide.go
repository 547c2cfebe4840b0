package generate

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// choice is a call that one of several providers can serve.
type choice struct {
	task *processor.Task
	// all are the providers of the kind, able those that can serve this call, in the order in which they are tried.
	all, able []*provider.Provider
}

// preferring moves the provider with a name to the front: a seed means the same only at one provider.
func (c choice) preferring(name string) choice {
	c.able = slices.Clone(c.able)
	slices.SortStableFunc(c.able, func(x, y *provider.Provider) int {
		return cmp.Compare(rank(x, name), rank(y, name))
	})
	return c
}

func rank(p *provider.Provider, preferred string) int {
	if p.Name == preferred {
		return 0
	}
	return 1
}

// provide makes a call at the first provider that can serve it now, and returns its result and the provider. Providers whose
// circuit breaker is open are skipped. A failure that another provider may not have leads to the next one, within the time of
// the attempt; a refused text is final. If none serves, the error is the one that is best for the job; see verdict.
func provide[T any](ctx context.Context, g *Generator, c choice, call func(context.Context, *provider.Provider) (T, error)) (T, *provider.Provider, error) {
	faults := make(map[*provider.Provider]*fault.Error)
	for i, p := range c.able {
		var result T
		err := c.task.CallProvider(ctx, p.Circuit, len(c.all) > 1, func() (err error) {
			ctx, cancel := within(ctx, p.Timeout, c.another(i))
			defer cancel()
			result, err = call(ctx, p)
			return err
		})
		if err == nil {
			return result, p, nil
		}
		var f *fault.Error
		switch {
		case errors.Is(err, processor.ErrCircuitOpen):
			continue
		case !errors.As(err, &f):
			return result, nil, err
		case ctx.Err() != nil, f.Class == fault.Canceled, refusesText(f):
			return result, nil, c.forJob(f)
		}
		faults[p] = f
		g.Log.InfoContext(ctx, "a provider did not serve", "provider", p.Circuit, "class", string(f.Class), "code", f.Code, "status", f.Status, "error", err)
	}
	var none T
	return none, nil, c.verdict(faults)
}

// another reports whether a provider after the one with an index may be called now.
func (c choice) another(index int) bool {
	return slices.ContainsFunc(c.able[index+1:], func(p *provider.Provider) bool { return c.task.Standing(p.Circuit).Wait == 0 })
}

// within bounds a call by the provider's own limit. If another provider may serve, one that does not respond gets at most half
// of the time that is left.
func within(ctx context.Context, limit time.Duration, another bool) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && another {
		half := time.Until(deadline) / 2
		limit = min(cmp.Or(limit, half), half)
	}
	if limit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// refusesText reports whether a provider refused the text or a reference image itself. Another provider is not asked then: it
// would be a way around the moderation of the first. A request that the client did not send, a missing model, and a file that
// cannot be used may be different elsewhere.
func refusesText(f *fault.Error) bool {
	switch {
	case f.Class == fault.Moderated, f.Code == job.CodeReference:
		return true
	case f.Class != fault.Permanent, f.Code != job.CodeRejected, f.Status == 0:
		return false
	}
	return !lacksAbility(f)
}

// lacksAbility reports whether a request was rejected because the provider does not have the route, the model, the voice or the
// size, or has it not for this key.
func lacksAbility(f *fault.Error) bool {
	switch f.Status {
	case http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return true
	}
	detail := strings.ToLower(f.Detail)
	contains := func(phrase string) bool { return strings.Contains(detail, phrase) }
	return invalidField.MatchString(detail) || (slices.ContainsFunc([]string{"model", "voice", "size"}, contains) && slices.ContainsFunc([]string{
		"not found", "not exist", "not available", "not supported", "unsupported", "unknown", "no such", "cannot be used",
		"invalid model", "invalid voice", "invalid size",
	}, contains))
}

// invalidField matches the list of invalid parameters in a detail if it has one of those that differ between providers.
var invalidField = regexp.MustCompile(`fields: (?:[a-z_, ]*\b)?(?:model|voice|size|width|height|response_format)\b`)

// forJob returns an error of a provider as one of the upstream that the job needs. Nothing follows from it for other jobs.
func (c choice) forJob(f *fault.Error) *fault.Error {
	own := *f
	own.Upstream, own.Others = c.all[0].Upstream, true
	return &own
}

// verdict returns the error of a call that no provider served, from the failures of those that were called and the circuit
// breakers of the others. The best one for the job decides: a job that only must wait for a provider does not use up an
// attempt. The circuit breaker of the upstream opens only if no provider at all may be called.
func (c choice) verdict(faults map[*provider.Provider]*fault.Error) error {
	if len(c.able) == 0 {
		return upstream.Rejected(c.all[0].Upstream, "no provider has the model with this size, format or kind of input")
	}
	var waiting []wait
	var retryable, final *fault.Error
	for _, p := range c.able {
		f, standing := faults[p], c.task.Standing(p.Circuit)
		switch {
		case f == nil:
			waiting = append(waiting, wait{standing.Wait, cmp.Or(standing.Code, job.CodeThrottled), standing.Status, nil})
		case f.Class == fault.Throttled, f.Class == fault.Misconfigured:
			waiting = append(waiting, wait{max(standing.Wait, f.RetryAfter), f.Code, f.Status, f})
		case f.Class == fault.Retryable:
			retryable = cmp.Or(retryable, f)
		default:
			final = cmp.Or(final, f)
		}
	}
	throttled := slices.ContainsFunc(waiting, func(w wait) bool { return w.code == job.CodeThrottled })
	switch {
	case retryable != nil && !throttled:
		return c.forJob(retryable)
	case len(waiting) == 0:
		return c.forJob(final)
	}
	best := slices.MinFunc(waiting, wait.compare)
	f := &fault.Error{Class: fault.Throttled}
	if best.fault != nil {
		own := *best.fault
		f = &own
	}
	f.Upstream, f.Code, f.Status, f.RetryAfter = c.all[0].Upstream, best.code, best.status, 0
	if f.Code == job.CodeMisconfigured {
		f.Class = fault.Misconfigured
	}
	f.Others = slices.ContainsFunc(c.all, func(p *provider.Provider) bool { return c.task.Standing(p.Circuit).Wait == 0 })
	if retryable == nil && (f.Others || f.Code == job.CodeThrottled) {
		// The first of them to be callable again, whatever the fault is called.
		f.RetryAfter = slices.MinFunc(waiting, func(x, y wait) int { return cmp.Compare(x.after, y.after) }).after
	}
	return f
}

// wait is a provider for which the job must wait.
type wait struct {
	after  time.Duration
	code   string
	status int
	fault  *fault.Error
}

// compare orders providers by how they describe the wait best: one that throttles works, one that is down may be up soon, and
// one that refuses the key needs an operator.
func (w wait) compare(other wait) int {
	order := []string{job.CodeThrottled, job.CodeUnavailable, job.CodeMisconfigured}
	return cmp.Or(cmp.Compare(slices.Index(order, w.code), slices.Index(order, other.code)), cmp.Compare(w.after, other.after))
}
