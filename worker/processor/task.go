package processor

import (
	"context"
	"slices"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// Generator generates the result of a job. It fails with a *fault.Error, or with several of them in a *SetError; any
// other error is retried as an internal one.
type Generator interface {
	// Generate makes one attempt. It generates only the media that are missing and stores each through the task as it
	// arrives. The returned result has the texts; the processor adds the media.
	Generate(ctx context.Context, t *Task) (*job.Result, error)
}

// Task is one attempt of a job, as its Generator sees it.
type Task struct {
	Spec *job.Spec
	// Optimized is the optimized prompt of an earlier attempt.
	Optimized string
	// Last is set on the job's last attempt.
	Last bool

	attempt *attempt

	mu    sync.Mutex
	media map[int]job.Media
	// pending holds the medium of a job with only one; it is stored with the record.
	pending []store.Product
	// result has the texts of an incomplete set.
	result *job.Result
	// usage is the usage of optimizing the prompt.
	usage *job.Usage
}

// SetPartial keeps the texts of a result, in case the set remains incomplete.
func (t *Task) SetPartial(r *job.Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result = r
}

// partial returns the texts for an incomplete set.
func (t *Task) partial() *job.Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.result != nil {
		r := *t.result
		return &r
	}
	in, ok := t.Spec.Input.(*job.ImageInput)
	if !ok || t.Optimized == "" {
		return &job.Result{}
	}
	return &job.Result{Prompt: &job.PromptPair{Original: in.Prompt, Optimized: t.Optimized}}
}

// SetStage records the stage of the attempt.
func (t *Task) SetStage(ctx context.Context, stage job.Stage) error {
	return t.attempt.update(ctx, func(p *job.Progress) { p.Stage = stage })
}

// SetOptimized stores an optimized prompt and its usage for later attempts.
func (t *Task) SetOptimized(ctx context.Context, optimized string, usage *job.Usage) error {
	t.usage = usage
	return t.attempt.update(ctx, func(p *job.Progress) { p.Optimized, p.Usage, p.PartialText = optimized, usage, "" })
}

// OptimizeUsage returns the usage of optimizing the prompt, in this attempt or an earlier one; nil when it is unknown.
func (t *Task) OptimizeUsage() *job.Usage { return t.usage }

// Refused returns the errors of images that earlier attempts refused for good, by index.
func (t *Task) Refused() map[int]*fault.Error {
	faults := make(map[int]*fault.Error)
	t.attempt.mu.Lock()
	defer t.attempt.mu.Unlock()
	for _, m := range t.attempt.progress.Refused {
		faults[m.Index] = &fault.Error{Class: fault.Permanent, Code: m.Error.Code, Status: m.Error.UpstreamStatus}
	}
	return faults
}

// Refuse records that later attempts must not retry an image.
func (t *Task) Refuse(ctx context.Context, index int, f *fault.Error) error {
	return t.attempt.update(ctx, func(p *job.Progress) {
		p.Refused = append(slices.Clone(p.Refused), job.Missing{Index: index, Error: *job.NewError(f.Code, f.Status)})
	})
}

// TextProgress returns a function that records a partial text, and a percentage if expected, the usual length in
// characters, is above 0. It drops errors: progress is advisory.
func (t *Task) TextProgress(ctx context.Context, expected int) func(soFar string) {
	return func(soFar string) {
		_ = t.attempt.update(ctx, func(p *job.Progress) {
			p.PartialText = soFar
			percent := textPercent(soFar, expected)
			if expected > 0 && (p.Percent == nil || *p.Percent < percent) {
				p.Percent = &percent
			}
		})
	}
}

// Stored reports whether the medium with this index is stored.
func (t *Task) Stored(index int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.media[index]
	return ok
}

// Store stores a medium of a job with count media. One of several is stored and published at once; a single one is
// stored with the record, and only if that takes a while is the stage of storing published.
func (t *Task) Store(ctx context.Context, p store.Product, count int) error {
	a := t.attempt
	if count == 1 {
		t.pending = append(t.pending, p)
		if len(p.Data) <= chunk.Size {
			return nil
		}
		return a.update(ctx, func(pr *job.Progress) { pr.Stage = job.StageStoring })
	}
	stored, err := t.putMedia(ctx, p)
	if err != nil {
		return &storeError{err}
	}
	if err := a.processor.passed(jobs.StepMedia); err != nil {
		return err
	}
	a.processor.metrics.MediaBytes.WithLabelValues(string(t.Spec.Kind)).Add(float64(stored.Bytes))
	t.mu.Lock()
	t.media[stored.Index] = stored
	done := len(t.media)
	t.mu.Unlock()
	if done == count {
		return nil
	}
	percent := done * 100 / count
	return a.update(ctx, func(pr *job.Progress) {
		pr.Media = t.stored()
		// Concurrent images may get here in any order.
		if pr.Percent == nil || *pr.Percent < percent {
			pr.Percent = &percent
		}
	})
}

// putMedia stores a medium. It has been billed, so the write is retried while NATS is unavailable or refuses writes.
func (t *Task) putMedia(ctx context.Context, p store.Product) (stored job.Media, err error) {
	w := writes{attempt: t.attempt}
	defer w.end()
	err = w.persist(ctx, &t.attempt.processor.storeOutage, len(p.Data), func(ctx context.Context) error {
		stored, err = t.attempt.processor.store.PutMedia(ctx, t.Spec.Owner, t.Spec.ID, p.Media, p.Data)
		return err
	})
	return stored, err
}

// storeError is an error of our own store; it does not count as a failure of the job.
type storeError struct{ err error }

// StoreError marks an error of our own store that is not about the job, so that the attempt does not count as a failure of it.
func StoreError(err error) error { return &storeError{err} }

func (f *storeError) Error() string { return "store: " + f.err.Error() }
func (f *storeError) Unwrap() error { return f.err }

// total sums up the usage of the media and the texts.
func (t *Task) total(texts *job.Usage) *job.Usage {
	usages := []*job.Usage{texts}
	for _, m := range t.stored() {
		usages = append(usages, m.Usage)
	}
	for _, p := range t.pending {
		usages = append(usages, p.Media.Usage)
	}
	return job.Sum(usages...)
}

// StoredUpstream returns the provider of the first stored medium; empty if there is none.
func (t *Task) StoredUpstream() string {
	for _, m := range t.stored() {
		return m.Upstream
	}
	return ""
}

// upstream returns the provider that made all media; empty if several did.
func (t *Task) upstream() string {
	media := t.stored()
	for _, p := range t.pending {
		media = append(media, p.Media)
	}
	for _, m := range media {
		if m.Upstream != media[0].Upstream {
			return ""
		}
	}
	if len(media) == 0 {
		return ""
	}
	return media[0].Upstream
}

// mediaCount returns the number of media of a job.
func mediaCount(spec *job.Spec) int {
	switch in := spec.Input.(type) {
	case *job.ImageInput:
		return in.Count()
	case *job.AudioInput:
		return 1
	}
	return 0
}

// complete reports whether every medium of the job is stored or was refused for good. The attempt then calls no upstream,
// so its outcome must not be reported to a circuit breaker.
func (t *Task) complete(refused map[int]*fault.Error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	count := mediaCount(t.Spec)
	for i := range count {
		if _, ok := t.media[i]; !ok && refused[i] == nil {
			return false
		}
	}
	return count > 0
}

// stored returns the stored media, ordered by index.
func (t *Task) stored() []job.Media {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]job.Media, 0, len(t.media))
	for _, m := range t.media {
		list = append(list, m)
	}
	slices.SortFunc(list, func(x, y job.Media) int { return x.Index - y.Index })
	return list
}
