package gallery_test

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestExpiryInNATS imports an image that expires in a second and waits until NATS has removed it.
func TestExpiryInNATS(t *testing.T) {
	t.Parallel()
	// The clock of the gallery does not advance; NATS uses its own.
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
			t.Fatalf("not expired: %v", keys(t, b))
		}
	}
	// The marker of the expired index does not prevent saving.
	save(t, g, "o-ann", pngOf(t, noise(8, 1)))
}
