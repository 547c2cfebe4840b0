package server_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	// goodBody submits a prompt job.
	goodBody = `{"kind":"prompt","input":{"text":"a cat"}}`
	// imageBody submits a job for one image.
	imageBody = `{"kind":"image","input":{"prompt":"a cat"}}`
)

// view is a job as a client reads it.
type view struct {
	ID            string
	Kind, Status  string
	Input         fields
	Cancel        string
	RetriedFrom   string `json:"retried_from"`
	BatchID       string `json:"batch_id"`
	Attempt       int
	MaxAttempts   int    `json:"max_attempts"`
	QueuePosition *int   `json:"queue_position"`
	CreatedAt     string `json:"created_at"`
	Deadline      string
	Result        *struct {
		Text  string
		Media []fields
	}
	Error *problemBody
	Links fields
}

// job decodes the job in a response that must have this status.
func (r *reply) job(t testing.TB, status int) view {
	t.Helper()
	var v view
	r.expect(t, status).decode(t, &v)
	return v
}

// newSpec returns a guest's job that was submitted a minute ago.
func newSpec(owner, id string, kind job.Kind, in job.Input) *job.Spec {
	created := time.Now().Add(-time.Minute)
	return &job.Spec{
		ID: id, Kind: kind, Lane: job.LaneGuest, Owner: owner, Input: in,
		CreatedAt: job.At(created), Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 8, Fingerprint: "f",
	}
}

func imageInput() *job.ImageInput {
	side, one, seed := 64, 1, int64(7)
	return &job.ImageInput{Prompt: "a lighthouse", Model: "flux", Width: &side, Height: &side, N: &one, Seed: &seed}
}

func audioInput() *job.AudioInput {
	return &job.AudioInput{Text: "t", Voice: "nova", Model: "tts-1", Format: "mp3"}
}

// imageSpec returns a guest's image job.
func imageSpec(owner, id string) *job.Spec { return newSpec(owner, id, job.KindImage, imageInput()) }

// push publishes a job to the queue.
func (b *bundle) push(t testing.TB, spec *job.Spec) *job.Spec {
	t.Helper()
	_, err := b.queue.Push(t.Context(), spec, false)
	must(t, err)
	return spec
}

// settle stores the final record of a job and its media, and removes the job from the queue if it is there.
func (b *bundle) settle(t testing.TB, spec *job.Spec, r *job.Record, products ...store.Product) *job.Record {
	t.Helper()
	r.Spec = spec
	if r.FinishedAt.IsZero() {
		r.FinishedAt = job.At(time.Now())
	}
	for _, p := range products {
		media, err := b.store.PutMedia(t.Context(), spec.Owner, spec.ID, p.Media, p.Data)
		must(t, err)
		if r.Result == nil {
			r.Result = &job.Result{}
		}
		r.Result.Media = append(r.Result.Media, media)
	}
	final, _, err := b.store.PutRecord(t.Context(), r)
	must(t, err)
	if entry, err := b.queue.FindLeader(t.Context(), spec.Owner, spec.ID); err == nil {
		must(t, b.queue.Delete(t.Context(), entry.Sequence))
	}
	return final
}

// putProgress stores the progress of a job.
func (b *bundle) putProgress(t testing.TB, owner string, p *job.Progress) {
	t.Helper()
	_, revision, err := b.store.ProgressLeader(t.Context(), owner, p.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	_, err = b.store.PutProgress(t.Context(), owner, p, revision)
	must(t, err)
}

// work pulls the next job of a kind in the background and settles it with the record and products that end returns.
func (b *bundle) work(t testing.TB, kind job.Kind, end func(*job.Spec) (*job.Record, []store.Product)) {
	t.Helper()
	lane, err := b.queue.Lane(t.Context(), kind, job.LaneGuest)
	must(t, err)
	puller, err := b.queue.Puller()
	must(t, err)
	t.Cleanup(puller.Close)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d, err := puller.Pull(lane, hang)
		if err != nil || d == nil {
			t.Errorf("pull a job: %v, %v", d, err)
			return
		}
		r, products := end(d.Spec)
		r.Spec, r.FinishedAt = d.Spec, job.At(time.Now())
		ctx := context.WithoutCancel(t.Context())
		if _, _, err := b.jobs.Settle(ctx, jobs.Settlement{Record: r, Products: products, Remove: d.Ack}); err != nil {
			t.Errorf("settle: %v", err)
		}
	}()
	t.Cleanup(func() { <-done })
}

// guest returns the cookie of a new guest and the owner that it identifies.
func guest() (*http.Cookie, string) { return server.GuestCookie([]byte(secret)) }

// queued returns the ids of an owner's jobs in the queue.
func (b *bundle) queued(t testing.TB, owner string) []string {
	t.Helper()
	ids, err := b.queue.OwnerIDs(t.Context(), owner)
	must(t, err)
	return ids
}

// queueEntry returns a job in the queue.
func (b *bundle) queueEntry(t testing.TB, owner, id string) *queue.Entry {
	t.Helper()
	entry, err := b.queue.FindLeader(t.Context(), owner, id)
	must(t, err)
	return entry
}

// dequeue removes a job from the queue.
func (b *bundle) dequeue(t testing.TB, owner, id string) {
	t.Helper()
	must(t, b.queue.Delete(t.Context(), b.queueEntry(t, owner, id).Sequence))
}

// fixedSpec returns an image job with fixed times, whose view is the same in every run.
func fixedSpec(owner, id string) *job.Spec {
	spec := imageSpec(owner, id)
	spec.CreatedAt = job.At(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC))
	spec.Deadline = job.At(time.Date(2126, 1, 2, 3, 4, 5, 678e6, time.UTC))
	return spec
}

// at returns a fixed time in the minute after that of fixedSpec.
func at(second int) job.Time { return job.At(time.Date(2026, 1, 2, 3, 5, second, 0, time.UTC)) }

// memberSpec returns a member's image job.
func memberSpec(who *session, id string) *job.Spec {
	spec := imageSpec(who.User.ID, id)
	spec.Lane = job.LaneMember
	return spec
}

// storeFailedJob stores the record of a failed job.
func (b *bundle) storeFailedJob(t testing.TB, owner, id, code string) *job.Spec {
	t.Helper()
	spec := fixedSpec(owner, id)
	spec.Deadline = job.At(spec.CreatedAt.Add(90 * time.Second))
	b.settle(t, spec, &job.Record{Status: job.StatusFailed, Error: job.NewError(code, 0), FinishedAt: at(9)})
	return spec
}

// storeFinishedJob stores a succeeded job with media of the given types.
func storeFinishedJob(t testing.TB, b *bundle, id string, data []byte, types ...string) *job.Spec {
	t.Helper()
	spec := imageSpec(job.OwnerAnonymous, id)
	var products []store.Product
	for i, contentType := range types {
		products = append(products, store.Product{Media: job.Media{Index: i, ContentType: contentType}, Data: data})
	}
	b.settle(t, spec, &job.Record{Status: job.StatusSucceeded}, products...)
	return spec
}

// originalRoutes are the routes that wait for their job.
var originalRoutes = []string{
	"/api/generate", "/api/pollinations/image", "/api/prompts/optimize", "/api/optimize", "/api/translate",
}

// originalBody returns a valid body for one of originalRoutes.
func originalBody(path string) fields {
	switch path {
	case "/api/generate":
		return fields{"text": "a pond", "type": "image", "unknown": true}
	case "/api/pollinations/image":
		return fields{"prompt": "a pond", "unknown": true}
	}
	return fields{"text": "a pond", "unknown": true}
}

// kindOf returns the kind of job that one of originalRoutes submits.
func kindOf(path string) job.Kind {
	switch path {
	case "/api/generate", "/api/pollinations/image":
		return job.KindImage
	case "/api/translate":
		return job.KindTranslation
	}
	return job.KindPrompt
}

// succeedJob returns the record and products of a job that succeeded.
func succeedJob(spec *job.Spec) (*job.Record, []store.Product) {
	r := &job.Record{Status: job.StatusSucceeded, Attempt: 1}
	switch spec.Kind {
	case job.KindImage:
		return r, []store.Product{{Media: job.Media{ContentType: "image/jpeg"}, Data: bytes.Repeat([]byte("picture"), 100_000)}}
	case job.KindAudio:
		return r, []store.Product{{Media: job.Media{ContentType: "audio/mpeg"}, Data: []byte("speech")}}
	case job.KindPrompt, job.KindTranslation:
		r.Result = &job.Result{Text: "better"}
	}
	return r, nil
}

// failJob returns a function that returns the record of a job that failed with code.
func failJob(code string) func(*job.Spec) (*job.Record, []store.Product) {
	return func(*job.Spec) (*job.Record, []store.Product) {
		return &job.Record{Status: job.StatusFailed, Attempt: 1, Error: job.NewError(code, 500)}, nil
	}
}
