package queue_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// BenchmarkPush makes jobs durable, one after the other, with and without a write through to the disk for each.
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

// BenchmarkScan20000 reads the deadlines of a large backlog.
func BenchmarkScan20000(b *testing.B) {
	q, _ := start(b)
	const jobs = 20_000
	pushMany(b, q, jobs)
	for b.Loop() {
		var next uint64
		found := 0
		for more := true; more; {
			var err error
			if next, more, err = q.Scan(b.Context(), next, func(uint64, time.Time) { found++ }); err != nil {
				b.Fatal(err)
			}
		}
		if found != jobs {
			b.Fatal(found)
		}
	}
}
