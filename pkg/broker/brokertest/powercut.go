package brokertest

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// SyncLog is a broker.SyncObserver that writes to a file how much of each file of the store is on disk. The log is complete
// after a kill of the process.
type SyncLog struct{ file *os.File }

// NewSyncLog returns a log in a file.
func NewSyncLog(path string) (*SyncLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // It is a file of the tests.
	if err != nil {
		return nil, err
	}
	return &SyncLog{f}, nil
}

// ObserveSync logs an fsync.
func (l *SyncLog) ObserveSync(_, path string, bytes int64, _ time.Duration) {
	if info, err := os.Stat(path); err == nil {
		_, _ = fmt.Fprintf(l.file, "%d %d %s\n", bytes, inode(info), path)
	}
}

// synced is how much of a file is on disk.
type synced struct {
	bytes int64
	inode uint64
}

func readSyncLog(t testing.TB, path string) map[string]synced {
	t.Helper()
	f, err := os.Open(path) //nolint:gosec // It is a file of the tests.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	files := make(map[string]synced)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var s synced
		var name string
		if _, err := fmt.Sscan(lines.Text(), &s.bytes, &s.inode, &name); err != nil {
			t.Fatalf("%q in the log of syncs: %v", lines.Text(), err)
		}
		files[name] = s
	}
	return files
}

// CutPower returns a copy of the DATA_DIR of a process that was killed, as the power failing at that moment would have left it:
// each file of the store ends where its last fsync found its end, and those without one are gone. A block that the server has
// replaced by a rename is whole, as the file systems do it on which group commit is used. Files outside of the store
// are synced by those who write them.
func CutPower(t testing.TB, dir, syncLog string) (after string) {
	t.Helper()
	files := readSyncLog(t, syncLog)
	after = t.TempDir()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(after, rel), 0o700)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		length := info.Size()
		if strings.HasPrefix(rel, "nats"+string(filepath.Separator)) {
			s, known := files[path]
			switch {
			case known && s.inode == inode(info):
				length = s.bytes
			case known && strings.HasSuffix(rel, ".blk"):
			case !known && onlyBlock(path):
				length = 0
			default:
				return nil
			}
		}
		return copyHead(path, filepath.Join(after, rel), length)
	})
	if err != nil {
		t.Fatalf("copy the store: %v", err)
	}
	return after
}

// onlyBlock reports whether a file is the only block of its stream. The server removes a block after it has created the next,
// and file systems with a journal keep that order.
func onlyBlock(path string) bool {
	siblings, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.blk"))
	return len(siblings) == 1 && siblings[0] == path
}

func copyHead(from, to string, length int64) error {
	source, err := os.Open(from) //nolint:gosec // They are files of the tests.
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // They are files of the tests.
	if err != nil {
		return err
	}
	if _, err = io.CopyN(target, source, length); err != nil {
		_ = target.Close()
		return err
	}
	return target.Close()
}
