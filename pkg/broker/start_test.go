package broker_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
)

const (
	// largeMessage is the size of a message of largeStore. Four of them fit into a block of the results.
	largeMessage = 900 << 10
	// smallStore and largeStore are numbers of messages of that size; one is more than is verified before a start.
	smallStore, largeStore = 25, 60
)

func largeSubject(n int) string { return broker.ChunkSubject("u1", "j1", 0, "hash", n) }

// storeLarge returns the directory of a broker with n large messages in the results, after an orderly stop.
func storeLarge(t *testing.T, n int) string {
	t.Helper()
	b, _ := startGroup(t)
	for i := range n {
		if _, err := b.Buffered().Publish(t.Context(), largeSubject(i), make([]byte, largeMessage)); err != nil {
			t.Fatal(err)
		}
	}
	brokertest.Close(t, b)
	return b.Config().DataDir
}

// openGroup opens a broker with group commit on a directory.
func openGroup(t *testing.T, dir string, log slog.Handler, options ...func(*broker.Config)) (*broker.Broker, *syncs, error) {
	t.Helper()
	s := newSyncs()
	cfg := brokertest.Config(t)
	cfg.DataDir, cfg.Sync, cfg.SyncObserver = dir, "always", s
	brokertest.GroupCommit(&cfg)
	for _, option := range options {
		option(&cfg)
	}
	b, err := brokertest.Open(t, cfg, log)
	return b, s, err
}

func mustOpenGroup(t *testing.T, dir string) (*broker.Broker, *syncs) {
	t.Helper()
	b, s, err := openGroup(t, dir, slog.DiscardHandler)
	if err != nil {
		t.Fatal(err)
	}
	return b, s
}

// blocksSynced returns how many blocks of the results were synced.
func (s *syncs) blocksSynced() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for path := range s.bytes {
		if strings.HasSuffix(path, ".blk") && strings.Contains(path, broker.ResultsStream) {
			n++
		}
	}
	return n
}

// TestStartIsIndependentOfTheStore starts on stores of two sizes: what is read and synced before the start is bounded.
func TestStartIsIndependentOfTheStore(t *testing.T) {
	t.Parallel()
	for _, size := range []int{smallStore, largeStore} {
		dir := storeLarge(t, size)
		b, synced := mustOpenGroup(t, dir)
		// The last megabytes of the results, and a few of the other streams.
		const most = 18 << 20
		if r := b.Recovered(); r.Read == 0 || r.Read > most || len(r.Unverified) == 0 {
			t.Errorf("%d messages: %d bytes are verified before the start and %d blocks after it", size, r.Read, len(r.Unverified))
		}
		if n := synced.blocksSynced(); n > 1 {
			t.Errorf("%d messages: %d blocks are synced after an orderly stop", size, n)
		}
		if !filestore.OrdersRenames(dir) {
			continue
		}
		// After a kill the server reads everything, but only what was written since the last start is synced.
		if _, err := b.JetStream().Publish(t.Context(), largeSubject(size), []byte("x")); err != nil {
			t.Fatal(err)
		}
		killed, synced := mustOpenGroup(t, copyDir(t, dir))
		if r := killed.Recovered(); r.Read < int64(size)*largeMessage || len(r.Unverified) > 0 {
			t.Errorf("%d messages, after a kill: %d bytes are verified before the start and %d blocks after it", size, r.Read, len(r.Unverified))
		}
		if n := synced.blocksSynced(); n > 2 {
			t.Errorf("%d messages, after a kill: %d blocks are synced", size, n)
		}
	}
}

// TestDamageBeyondTheCheckAtTheStart damages the first block of a large store after an orderly stop.
func TestDamageBeyondTheCheckAtTheStart(t *testing.T) {
	t.Parallel()
	whole := storeLarge(t, smallStore)
	results := filepath.Join(streamDir(broker.ResultsStream), "msgs")
	blocks, err := filepath.Glob(filepath.Join(whole, results, "*.blk"))
	if err != nil || len(blocks) < 5 {
		t.Fatalf("blocks: %q, %v", blocks, err)
	}
	block := filepath.Join(results, filepath.Base(blocks[0]))
	for name, c := range map[string]struct {
		damage  func(t *testing.T, dir string)
		refused bool
	}{
		"flipped bit": {func(t *testing.T, dir string) { flip(t, filepath.Join(dir, block), 700, 1) }, false},
		"flipped bit, no index": {func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, block), 700, 1)
			must(t, os.Remove(filepath.Join(dir, results, "index.db")))
		}, true},
		"flipped bit, damaged index": {func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, block), 700, 1)
			flip(t, filepath.Join(dir, results, "index.db"), 30, 1)
		}, true},
		"flipped bit, killed": {func(t *testing.T, dir string) {
			flip(t, filepath.Join(dir, block), 700, 1)
			must(t, os.Remove(filepath.Join(dir, "stopped.json")))
		}, true},
		"cut off": {func(t *testing.T, dir string) { truncate(t, filepath.Join(dir, block), 1, 2) }, true},
		"removed": {func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, block))) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copied(t, whole)
			c.damage(t, dir)
			log := newLines()
			b, _, err := openGroup(t, dir, log)
			if damage, ok := errors.AsType[*filestore.DamageError](err); ok != c.refused || (ok && !strings.Contains(damage.Error(), block)) {
				t.Fatalf("the start returns %v", err)
			}
			if c.refused {
				return
			}
			log.await(t, "the store is verified")
			log.hasLevel(t, "the store is damaged: stop the program and restore DATA_DIR from a backup, or start it once with DATA_LOSS=accept", slog.LevelError)
			loss, err := b.LastDataLoss(t.Context())
			if err != nil || loss == nil || len(loss.Streams) != 1 || loss.Streams[0] != broker.ResultsStream {
				t.Errorf("the loss is not reported: %+v, %v", loss, err)
			}
			brokertest.Close(t, b)
			if b, _, err = openGroup(t, dir, slog.DiscardHandler, accept); err != nil || b.Recovered().Streams()[0] != broker.ResultsStream {
				t.Errorf("the loss is not accepted: %v", err)
			}
		})
	}
}
