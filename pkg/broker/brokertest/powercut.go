package brokertest

import (
	"bufio"
	"errors"
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

func readSyncLog(path string) (map[string]synced, error) {
	f, err := os.Open(path) //nolint:gosec // It is a file of the tests.
	if err != nil {
		return nil, fmt.Errorf("read the log of syncs: %w", err)
	}
	defer func() { _ = f.Close() }()
	files := make(map[string]synced)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var s synced
		var name string
		if _, err := fmt.Sscan(lines.Text(), &s.bytes, &s.inode, &name); err != nil {
			return nil, fmt.Errorf("read the log of syncs: %q: %w", lines.Text(), err)
		}
		files[name] = s
	}
	return files, lines.Err()
}

// remains is what a power failure leaves of a file.
type remains struct {
	path         string
	size, length int64
	// gone means that the file does not exist any more.
	gone bool
	// dir means that it is a directory, of which everything is left.
	dir bool
}

// powerFailure calls visit with what the power failing now would leave of each file in the DATA_DIR of a process that was killed: each file
// of the store ends where its last fsync found its end, and those without one are gone. A block that the server has
// replaced by a rename is whole, as the file systems do it on which group commit is used. Files outside of the store
// are synced by those who write them.
func powerFailure(dir, syncLog string, visit func(remains) error) error {
	files, err := readSyncLog(syncLog)
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return visit(remains{path: path, dir: true})
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // Some tests cut the power of a process that runs, which removes temporary files.
		}
		if err != nil {
			return err
		}
		r := remains{path: path, size: info.Size(), length: info.Size()}
		if rel, _ := filepath.Rel(dir, path); strings.HasPrefix(rel, "nats"+string(filepath.Separator)) {
			s, known := files[path]
			switch {
			case known && s.inode == inode(info):
				// A new file may have the number of a removed one.
				r.length = min(s.bytes, info.Size())
			case known && strings.HasSuffix(rel, ".blk"):
			case !known && onlyBlock(path):
				r.length = 0
			default:
				r.length, r.gone = 0, true
			}
		}
		return visit(r)
	})
}

// CutPower returns a copy of the DATA_DIR of a process that was killed, as the power failing at that moment would have left it:
// see powerFailure.
func CutPower(t testing.TB, dir, syncLog string) (after string) {
	t.Helper()
	after = t.TempDir()
	err := powerFailure(dir, syncLog, func(r remains) error {
		rel, _ := filepath.Rel(dir, r.path)
		to := filepath.Join(after, rel)
		switch {
		case r.dir:
			return os.MkdirAll(to, 0o700)
		case r.gone:
			return nil
		}
		return copyHead(r.path, to, r.length)
	})
	if err != nil {
		t.Fatalf("copy the store: %v", err)
	}
	return after
}

// CutPowerInPlace is CutPower on the DATA_DIR itself, on which the next process may go on with the same log. It calls lost with
// what each file of the store has lost.
func CutPowerInPlace(dir, syncLog string, lost func(path string, data []byte)) error {
	// What is left of a block depends on those beside it.
	var cut []remains
	err := powerFailure(dir, syncLog, func(r remains) error {
		if r.gone || r.length < r.size {
			cut = append(cut, r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cut the power: %w", err)
	}
	for _, r := range cut {
		if err := r.cut(lost); err != nil {
			return fmt.Errorf("cut the power: %w", err)
		}
	}
	return nil
}

func (r remains) cut(lost func(path string, data []byte)) error {
	data, err := os.ReadFile(r.path)
	if err != nil {
		return err
	}
	lost(r.path, data[r.length:])
	if r.gone {
		return os.Remove(r.path)
	}
	return os.Truncate(r.path, r.length)
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
