package brokertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// FillDisk makes every write of the embedded server in this process to a stream fail as on a full disk, until the server
// reopens its files. The server must have written to the stream before.
func FillDisk(t testing.TB, dataDir, stream string) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("open a full device: %v", err)
	}
	defer func() { _ = full.Close() }()
	dir, err := filepath.Abs(filepath.Join(dataDir, "nats", "jetstream", "$G", "streams", stream, "msgs"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatalf("list open files: %v", err)
	}
	replaced := 0
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || !strings.HasPrefix(target, dir+"/") || !strings.HasSuffix(target, ".blk") {
			continue
		}
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Dup3(int(full.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatalf("replace an open file: %v", err)
		}
		replaced++
	}
	if replaced == 0 {
		t.Fatalf("the server has no block of %s open", stream)
	}
}

// HoldFull makes the broker's probe of the disk fail until release is called.
func HoldFull(t testing.TB, dataDir string) (release func()) {
	t.Helper()
	// The broker probes the disk with a file of this name; a non-empty directory prevents that.
	probe := filepath.Join(dataDir, "probe.tmp")
	if err := os.MkdirAll(filepath.Join(probe, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(probe); err != nil {
			t.Error(err)
		}
	}
}

// inode returns the number of a file in its file system.
func inode(info os.FileInfo) uint64 {
	stat, _ := info.Sys().(*syscall.Stat_t)
	return stat.Ino
}
