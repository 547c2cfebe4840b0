package feed_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/api/feed"
)

// BenchmarkFanOut measures the delivery of a change to a hundred readers.
func BenchmarkFanOut(b *testing.B) {
	r := start(b, noRereads)
	spec := r.push(b, "j1")
	readers := make([]*feed.Reader, 100)
	for i := range readers {
		readers[i] = r.watch(b, spec)
		expect(b, readers[i], "0.0")
	}
	step := uint64(0)
	for b.Loop() {
		step++
		r.put(b, spec, 1, step)
		for _, reader := range readers {
			if e := <-reader.Events(); e.Snapshot.Progress.Step != step {
				b.Fatalf("step %d, want %d", e.Snapshot.Progress.Step, step)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(readers)), "ns/event")
}
