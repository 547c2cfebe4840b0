package broker_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
)

// TestKilledWhileAnEmptyStreamIsOpened starts on what a kill leaves while the server replaces the block of a stream without
// messages: it removes that block before it creates the next. Once the server has started, missing blocks are damage.
func TestKilledWhileAnEmptyStreamIsOpened(t *testing.T) {
	t.Parallel()
	cfg := brokertest.Config(t)
	brokertest.Close(t, brokertest.MustOpen(t, cfg))
	removeBlocks := func() {
		t.Helper()
		blocks, err := filepath.Glob(filepath.Join(cfg.DataDir, streamDir(broker.FeedbackStream), "msgs", "*.blk"))
		must(t, err)
		if len(blocks) == 0 {
			t.Fatal("the stream has no blocks")
		}
		for _, block := range blocks {
			must(t, os.Remove(block))
		}
	}
	store := filestore.New(cfg.DataDir, nil)
	// This is what a start does before the server runs.
	_, err := store.Recover(filestore.Options{})
	must(t, err)
	removeBlocks()
	brokertest.Close(t, brokertest.MustOpen(t, cfg))

	must(t, store.ForgetStop())
	removeBlocks()
	_, err = brokertest.Open(t, cfg, slog.DiscardHandler)
	if _, damaged := errors.AsType[*filestore.DamageError](err); !damaged {
		t.Errorf("a stream without its blocks is opened: %v", err)
	}
}
