package jobs_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// BenchmarkRead reads a job in each place where it can be stored.
func BenchmarkRead(b *testing.B) {
	r := start(b)
	queued, running, done := r.submit(b), r.submit(b), r.submit(b)
	r.progress(b, running, job.StatusRunning)
	r.finish(b, done)
	for name, spec := range map[string]*job.Spec{"queued": queued, "running": running, "done": done} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r.read(b, spec)
			}
		})
	}
}

// BenchmarkList3000 lists the newest page of an owner with 3,000 jobs, a tenth of them with keyed ids.
func BenchmarkList3000(b *testing.B) {
	r := start(b)
	r.history(b, 3000)
	for b.Loop() {
		if page, err := r.List(b.Context(), []string{"u1"}, jobs.Filter{Limit: 20}); err != nil || len(page.Jobs) != 20 {
			b.Fatal(page, err)
		}
	}
}

// BenchmarkRefusal refuses the job of a guest at its limit, which costs more than accepting one.
func BenchmarkRefusal(b *testing.B) {
	r := start(b)
	s := r.submitter(b)
	for range 5 {
		accepts(b, s, jobs.Caller{Owner: "g-1", Lane: job.LaneGuest}, "", 4)
	}
	for b.Loop() {
		if accepts(b, s, jobs.Caller{Owner: "g-1", Lane: job.LaneGuest}, "", 4) {
			b.Fatal("accepted")
		}
	}
}

// BenchmarkSettle ends jobs with one image of 150 KB each.
func BenchmarkSettle(b *testing.B) {
	r := start(b)
	image := make([]byte, 150_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(image)
	for i := 0; b.Loop(); i++ {
		products := []store.Product{{Media: job.Media{ContentType: "image/png"}, Data: image}}
		s := jobs.Settlement{Record: succeeded(strconv.Itoa(i)), Products: products, Remove: func(context.Context) error { return nil }}
		if _, won, err := r.Settle(b.Context(), s); err != nil || !won {
			b.Fatal(won, err)
		}
	}
}
