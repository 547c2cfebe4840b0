package processor

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// misconfigured keeps which upstreams refuse this installation, so that its operator reads each reason once and health
// shows it for as long as it holds.
type misconfigured struct {
	mu      sync.Mutex
	reasons map[string]string
}

// note takes down a refusal and reports whether it is news.
func (m *misconfigured) note(f *upstream.Fault) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reasons == nil {
		m.reasons = make(map[string]string)
	}
	reason := f.Error() + " " + f.Detail
	news := m.reasons[f.Upstream] != reason
	m.reasons[f.Upstream] = reason
	return news
}

// clear forgets the refusals of an upstream and reports whether there was one.
func (m *misconfigured) clear(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, was := m.reasons[name]
	delete(m.reasons, name)
	return was
}

// names returns the upstreams that refuse this installation.
func (m *misconfigured) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.reasons))
}

// upstreamOf returns the upstream without which a kind of job cannot be worked.
func upstreamOf(kind job.Kind) string {
	switch kind {
	case job.KindImage:
		return upstream.PollinationsImage
	case job.KindAudio:
		return upstream.PollinationsSpeech
	case job.KindPrompt, job.KindTranslation:
	}
	return upstream.LanguageModel
}

// watchSettings tells the operator when an upstream begins to refuse this installation, and when it no longer does.
func (p *Processor) watchSettings(ctx context.Context, kind job.Kind, o outcome) {
	switch {
	case o.fault != nil && o.fault.Class == upstream.Misconfigured:
		if p.misconfigured.note(o.fault) {
			p.log.ErrorContext(ctx, "an upstream refuses this installation; jobs that need it wait until an operator acts",
				"upstream", o.fault.Upstream, "code", o.fault.Code, "status", o.fault.Status, "error", o.fault, "detail", o.fault.Detail)
			p.tellNow()
		}
	case o.verdict == verdictSucceed:
		if name := upstreamOf(kind); p.misconfigured.clear(name) {
			p.log.ErrorContext(ctx, "the upstream accepts this installation again", "upstream", name)
			p.tellNow()
		}
	}
}

// tellNow announces the worker ahead of time.
func (p *Processor) tellNow() {
	select {
	case p.news <- struct{}{}:
	default:
	}
}
