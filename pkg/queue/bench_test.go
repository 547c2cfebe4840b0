package queue_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// BenchmarkPush stores jobs one after another, with and without a sync to disk for each.
func BenchmarkPush(b *testing.B) {
	for _, sync := range []string{"always", "1m"} {
		b.Run("sync="+sync, func(b *testing.B) {
			q, _ := start(b, func(c *broker.Config) { c.Sync = sync })
			for i := 0; b.Loop(); i++ {
				push(b, q, image(strconv.Itoa(i)))
			}
		})
	}
}

// BenchmarkScan20000 scans a queue of 20,000 jobs.
func BenchmarkScan20000(b *testing.B) {
	q, _ := start(b)
	const jobs = 20_000
	pushMany(b, q, jobs)
	for b.Loop() {
		var next uint64
		found := 0
		for more := true; more; {
			var err error
			if next, more, err = q.Scan(b.Context(), next, math.MaxUint64, func(uint64, time.Time) { found++ }); err != nil {
				b.Fatal(err)
			}
		}
		if found != jobs {
			b.Fatal(found)
		}
	}
}

// BenchmarkOwner counts and lists an owner's three jobs among those of others, as submissions with a limit of active jobs do.
func BenchmarkOwner(b *testing.B) {
	for _, others := range []int{0, 1_000, 100_000} {
		b.Run("others="+strconv.Itoa(others), func(b *testing.B) {
			q, nats := start(b)
			for i := range 3 {
				push(b, q, spec(job.KindImage, job.LaneGuest, "u1", "own"+strconv.Itoa(i)))
				for n := range others / 3 {
					// Published without waiting for answers, which would dominate the benchmark.
					s := spec(job.KindImage, job.LaneGuest, "g"+strconv.Itoa(n%5000), strconv.Itoa(i)+"-"+strconv.Itoa(n))
					data, err := s.Encode()
					if err != nil {
						b.Fatal(err)
					}
					if _, err := nats.JetStream().PublishAsync(broker.JobSubject(s.Kind, s.Lane, s.Owner, s.ID), data); err != nil {
						b.Fatal(err)
					}
				}
				<-nats.JetStream().PublishAsyncComplete()
			}
			b.Run("count", func(b *testing.B) {
				for b.Loop() {
					if n, err := q.OwnerCount(b.Context(), "u1"); err != nil || n != 3 {
						b.Fatalf("%d, %v", n, err)
					}
				}
			})
			b.Run("list", func(b *testing.B) {
				for b.Loop() {
					if ids, err := q.OwnerIDs(b.Context(), "u1"); err != nil || len(ids) != 3 {
						b.Fatalf("%v, %v", ids, err)
					}
				}
			})
		})
	}
}
