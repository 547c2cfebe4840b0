package broker_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// storeOne stores a message in the results and returns its sequence.
func storeOne(t *testing.T, b *broker.Broker, chunk int) uint64 {
	t.Helper()
	ack, err := b.JetStream().Publish(t.Context(), largeSubject(chunk), []byte("x"))
	must(t, err)
	return ack.Sequence
}

// TestOutdatedIndexIsNotRead starts after a kill on a store whose indexes are those of the last stop: the server would read them only to
// discard them.
func TestOutdatedIndexIsNotRead(t *testing.T) {
	t.Parallel()
	dir, stored := stopped(t)
	b, _, err := openDir(t, dir)
	must(t, err)
	last := storeOne(t, b, 0)
	stored[largeSubject(0)] = "x"
	dir = copied(t, dir)
	brokertest.Close(t, b)
	b, log, err := openDir(t, dir)
	must(t, err)
	defer brokertest.Close(t, b)
	if strings.Contains(log.String(), "Stream state outdated") {
		t.Errorf("the server discards an index that it has read:\n%s", log)
	}
	if next := storeOne(t, b, 1); next <= last {
		t.Errorf("sequence %d after %d", next, last)
	}
	holds(t, b, stored)
}

// TestSequencesAreNotReusedAfterAPowerFailure cuts off the last message of a store, which its index knows. Consumers would take another
// message with that sequence for one that they have seen.
func TestSequencesAreNotReusedAfterAPowerFailure(t *testing.T) {
	t.Parallel()
	dir, _ := stopped(t)
	b, _, err := openDir(t, dir)
	must(t, err)
	last := storeOne(t, b, 0)
	brokertest.Close(t, b)
	must(t, os.Remove(filepath.Join(dir, "stopped.json")))
	blocks, err := filepath.Glob(filepath.Join(dir, streamDir(broker.ResultsStream), "msgs", "*.blk"))
	must(t, err)
	block := blocks[len(blocks)-1]
	records, err := os.ReadFile(block)
	must(t, err)
	end := 0
	for at := 0; at < len(records); at += int(binary.LittleEndian.Uint32(records[at:]) &^ (1 << 31)) {
		end = at
	}
	must(t, os.WriteFile(block, records[:end], 0o600))
	b, _, err = openDir(t, dir)
	must(t, err)
	defer brokertest.Close(t, b)
	if next := storeOne(t, b, 1); next <= last {
		t.Errorf("sequence %d is used again after %d", next, last)
	}
}
