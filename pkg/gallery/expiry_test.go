package gallery_test

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestNATSForgets waits for the end of a picture that came with a second left.
func TestNATSForgets(t *testing.T) {
	t.Parallel()
	// The gallery's clock stands still, and NATS goes by its own.
	g, now, b := open(t)
	created := now.Now().Add(-gallery.Age + time.Second)
	isNew, err := g.Import(t.Context(), "o-ann", gallery.Image{ID: "one", CreatedAt: job.At(created)}, pngOf(t, noise(700, 1)))
	if err != nil || !isNew || today(t, g, "o-ann") != nil {
		t.Fatalf("imported: %t, %v", isNew, err)
	}
	deadline := time.NewTimer(hang)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(keys(t, b)) > 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("still there: %v", keys(t, b))
		}
	}
	// The mark of what has expired stands in nobody's way.
	save(t, g, "o-ann", pngOf(t, noise(8, 1)))
}
