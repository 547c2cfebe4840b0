package queue_test

import (
	"strconv"
	"testing"

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
