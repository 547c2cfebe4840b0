package feedback_test

import (
	"os"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
)

// TestPendingStaysPending copies the files of NATS, as a crash would leave them, right after feedback that was repeatedly marked as
// processed was marked as pending or deleted.
func TestPendingStaysPending(t *testing.T) {
	t.Parallel()
	on := func(dir string) *feedback.Box {
		box, err := feedback.New(t.Context(), brokertest.Start(t, func(c *broker.Config) { c.DataDir, c.Sync = dir, "always" }))
		must(t, err)
		return box
	}
	dir := t.TempDir()
	box := on(dir)
	for _, owner := range []string{"ann", "bob", "eve"} {
		e, _, err := box.Give(t.Context(), feedback.Writer{Owner: owner, ID: owner}, "bug", owner)
		must(t, err)
		for range 3 {
			_, err = box.Mark(t.Context(), e.ID, feedback.Processed)
			must(t, err)
		}
		switch owner {
		case "bob":
			_, err = box.Mark(t.Context(), e.ID, feedback.Pending)
			must(t, err)
		case "eve":
			_, err = box.Remove(t.Context(), e.ID)
			must(t, err)
		}
	}
	killed := t.TempDir()
	must(t, os.CopyFS(killed, os.DirFS(dir)))
	if got, err := on(killed).Stats(t.Context()); err != nil || got.Total != 2 || got.Pending != 1 || got.Processed != 1 {
		t.Errorf("after the crash: %+v, %v", got, err)
	}
}
