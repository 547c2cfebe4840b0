package store_test

import (
	"strconv"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// BenchmarkSettle ends jobs with one picture of 150 KB each.
func BenchmarkSettle(b *testing.B) {
	s, _ := start(b)
	picture := noise(1, 150_000)
	for i := 0; b.Loop(); i++ {
		products := []store.Product{{Media: job.Media{ContentType: "image/png"}, Data: picture}}
		if _, won, err := s.Settle(b.Context(), succeeded(strconv.Itoa(i)), products, nil); err != nil || !won {
			b.Fatal(won, err)
		}
	}
}
