package brokertest_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestCutPower cuts the power of a copy and in place, which must leave the same.
func TestCutPower(t *testing.T) {
	t.Parallel()
	dir, syncs := t.TempDir(), filepath.Join(t.TempDir(), "syncs")
	log, err := brokertest.NewSyncLog(syncs)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, data string, synced int64) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if synced >= 0 {
			log.ObserveSync("", path, synced, 0)
		}
	}
	const never = -1
	write("secret", "not of the store", never)
	write("nats/A/1.blk", "synced", 6)
	write("nats/A/2.blk", "synced and not", 6)
	write("nats/A/3.blk", "new", never)
	write("nats/B/1.blk", "the only one", never)
	write("nats/C/1.blk", "new", never)
	write("nats/C/2.blk", "new too", never)
	write("nats/index.db", "never synced", never)
	write("nats/shorter.db", "less than it was", 100)
	write("nats/D/1.blk", "before", 6)
	replacement := filepath.Join(dir, "nats/D/1.blk.tmp")
	write("nats/D/1.blk.tmp", "behind", never)
	if err := os.Rename(replacement, filepath.Join(dir, "nats/D/1.blk")); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"secret": "not of the store", "nats/A/1.blk": "synced", "nats/A/2.blk": "synced", "nats/B/1.blk": "", "nats/D/1.blk": "behind",
		"nats/shorter.db": "less than it was",
	}
	if got := files(t, brokertest.CutPower(t, dir, syncs)); !maps.Equal(got, want) {
		t.Errorf("a copy has %q, want %q", got, want)
	}
	lost := make(map[string]string)
	for range 2 {
		err := brokertest.CutPowerInPlace(dir, syncs, func(path string, data []byte) {
			rel, _ := filepath.Rel(dir, path)
			lost[rel] += string(data)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := files(t, dir); !maps.Equal(got, want) {
		t.Errorf("in place there is %q, want %q", got, want)
	}
	wantLost := map[string]string{
		"nats/A/2.blk": " and not", "nats/A/3.blk": "new", "nats/B/1.blk": "the only one", "nats/C/1.blk": "new", "nats/C/2.blk": "new too",
		"nats/index.db": "never synced",
	}
	if !maps.Equal(lost, wantLost) {
		t.Errorf("lost %q, want %q", lost, wantLost)
	}
	if err := os.WriteFile(syncs, []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := brokertest.CutPowerInPlace(dir, syncs, nil); err == nil {
		t.Error("a damaged log is accepted")
	}
}

// files returns the contents of the files below a directory.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
