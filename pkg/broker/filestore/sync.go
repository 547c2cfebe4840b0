package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// purgeTries and purgePause bound the wait for the directory of messages, which a purge of a whole stream replaces.
	purgeTries = 100
	purgePause = time.Millisecond
	// listAge is how much older than its reading the last change of a directory must be for the list of its files to be used
	// again: the times of file systems are some milliseconds coarse.
	listAge = 100 * time.Millisecond
)

// Syncer makes the messages of one stream durable while a server runs that does not sync by itself. The server appends each
// message to the last block of the stream before it acknowledges it. A Syncer may not be used concurrently.
type Syncer struct {
	store *Store
	// dir is the directory of the stream.
	dir string
	// synced may be nil.
	synced Synced

	// last is the highest block that was synced, and file and size are what was synced of it.
	last int
	file os.FileInfo
	size int64
	// messages is the directory of messages as it was at the last sync, and listed when its blocks were read.
	messages os.FileInfo
	listed   time.Time
	blocks   []int
	// failed is the first error. The kernel reports a failed write once, so that a later fsync would succeed without the data.
	failed error
}

// Synced is called with the path and the length of a file that was synced, and how long that took.
type Synced func(path string, bytes int64, took time.Duration)

// Syncer returns the syncer of a stream; synced may be nil.
func (s *Store) Syncer(stream string, synced Synced) *Syncer {
	return &Syncer{store: s, dir: filepath.Join(s.dir, defaultStreamsDir, stream), synced: synced}
}

// defaultStreamsDir is the directory of the streams of a server without accounts of its own, relative to DATA_DIR.
var defaultStreamsDir = filepath.Join("nats", "jetstream", "$G", "streams")

// Sync returns when everything that the stream acknowledged before the call is on disk. It costs an fsync of the block that is
// being written, if that has changed since the last call, and one more for each block that was added, and for the directory
// then. A failure means that the disk has failed, or that the store has another layout than expected; every later call fails
// with it too.
func (s *Syncer) Sync() error {
	if s.failed == nil {
		if err := s.sync(); err != nil {
			s.failed = fmt.Errorf("sync the store: %w", err)
		}
	}
	return s.failed
}

func (s *Syncer) sync() error {
	dir := filepath.Join(s.dir, messagesDir)
	info, err := statMessages(dir)
	if err != nil {
		return err
	}
	replaced := s.messages == nil || !os.SameFile(info, s.messages)
	if replaced {
		s.last, s.file = 0, nil
	}
	if err := s.list(dir, info, replaced); err != nil {
		return err
	}
	first, _ := slices.BinarySearch(s.blocks, s.last)
	if first == len(s.blocks) {
		// The numbers began anew.
		first, s.file = 0, nil
	}
	last := s.last
	for _, number := range s.blocks[first:] {
		if err := s.block(filepath.Join(dir, blockName(number)), number); err != nil {
			return err
		}
	}
	if s.last == last && !replaced {
		return nil
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	if replaced {
		if err := syncDir(s.dir); err != nil {
			return err
		}
	}
	s.messages = info
	return s.store.raiseFloor(filepath.Base(s.dir), s.last)
}

// statMessages returns the directory of messages, for which it waits while a purge replaces it.
func statMessages(dir string) (os.FileInfo, error) {
	for try := 1; ; try++ {
		info, err := os.Stat(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || try == purgeTries {
			return info, err
		}
		time.Sleep(purgePause)
	}
}

// list reads which blocks there are, unless the directory has not changed.
func (s *Syncer) list(dir string, info os.FileInfo, replaced bool) error {
	if !replaced && info.ModTime().Equal(s.messages.ModTime()) && s.listed.Sub(info.ModTime()) > listAge {
		return nil
	}
	now := time.Now()
	numbers, err := readBlocks(dir)
	if err != nil {
		return err
	}
	s.blocks = numbers
	s.listed = now
	if !replaced {
		s.messages = info
	}
	return nil
}

// block syncs a block, if it has changed. One that is gone has no message left.
func (s *Syncer) block(path string, number int) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if s.file == nil || info.Size() != s.size || !os.SameFile(info, s.file) {
		if info, err = syncOpen(f, s.synced); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	s.last, s.file, s.size = number, info, info.Size()
	return f.Close()
}

// SyncAll returns when everything in the store is on disk, which a server that was killed or does not sync by itself may not
// have seen to; synced may be nil. It costs an fsync for each file and directory that has changed since the last call or the
// recorded stop. On file systems that order renames it leaves out blocks that Syncer has synced and left behind.
func (s *Store) SyncAll(synced Synced) error {
	// The server may run and add blocks meanwhile.
	last, err := s.lastBlocks()
	if err != nil {
		return err
	}
	if s.synced == nil {
		s.synced = make(map[string]fs.FileInfo)
	}
	var dirs []string
	err = s.walkUnsettled(last, func(path string, info fs.FileInfo) error {
		if info.IsDir() {
			dirs = append(dirs, path)
			return nil
		}
		return s.once(path, info, func() error { return syncFile(path, synced) })
	})
	for _, dir := range slices.Backward(dirs) {
		info, statErr := os.Stat(dir)
		if statErr == nil {
			statErr = s.once(dir, info, func() error { return syncDir(dir) })
		}
		err = errors.Join(err, ignoreMissing(statErr))
	}
	if err != nil {
		return fmt.Errorf("sync the store: %w", err)
	}
	return errors.Join(syncDir(s.dir), s.recordFloors(last))
}

// walkUnsettled calls f for each file and directory of the store but blocks below the floor of their stream. last are the last
// blocks of the streams: a floor above that is of a time before the numbers of the blocks began anew.
func (s *Store) walkUnsettled(last map[string]int, f func(path string, info fs.FileInfo) error) error {
	settled := make(map[string]int)
	if OrdersRenames(s.dir) {
		for stream, floor := range s.currentFloors() {
			if floor <= last[stream] {
				settled[stream] = floor
			}
		}
	}
	return filepath.WalkDir(filepath.Join(s.dir, "nats"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && !entry.Type().IsRegular() {
			return nil
		}
		if stream, number, ok := parseBlock(path); ok && number < settled[stream] {
			return nil
		}
		if err == nil {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil {
				err = f(path, info)
			}
		}
		return ignoreMissing(err) // The server removes files at any time.
	})
}

// parseBlock returns the stream and the number of a block.
func parseBlock(path string) (stream string, number int, ok bool) {
	name, found := strings.CutSuffix(filepath.Base(path), blockSuffix)
	dir := filepath.Dir(path)
	if !found || filepath.Base(dir) != messagesDir {
		return "", 0, false
	}
	number, err := strconv.Atoi(name)
	return filepath.Base(filepath.Dir(dir)), number, err == nil
}

// once calls sync unless a file or directory has not changed since it was last synced.
func (s *Store) once(path string, info fs.FileInfo, sync func() error) error {
	if before := s.synced[path]; before != nil && os.SameFile(before, info) && before.Size() == info.Size() && before.ModTime().Equal(info.ModTime()) {
		return nil
	}
	delete(s.synced, path)
	// A change at this moment may have the same time.
	settled := time.Since(info.ModTime()) > listAge
	err := sync()
	if err == nil && settled {
		s.synced[path] = info
	}
	return err
}

// rememberSynced remembers that everything is on disk, if the last process has seen to that and nothing is repaired.
func (s *Store) rememberSynced(f *findings) error {
	if f.stop == nil || !f.stop.Synced || len(f.damages)+len(f.repairs) > 0 {
		return nil
	}
	last, err := s.lastBlocks()
	if err != nil {
		return err
	}
	s.synced = make(map[string]fs.FileInfo)
	return s.walkUnsettled(last, func(path string, info fs.FileInfo) error {
		s.synced[path] = info
		return nil
	})
}

// AssumeSynced records what SyncAll records, without its fsyncs: a power failure may then leave less than the record says.
func (s *Store) AssumeSynced() error {
	last, err := s.lastBlocks()
	if err != nil {
		return err
	}
	return s.recordFloors(last)
}

func syncFile(path string, synced Synced) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	_, err = syncOpen(f, synced)
	return errors.Join(err, f.Close())
}

// syncOpen syncs a file and returns what it was before.
func syncOpen(f *os.File, synced Synced) (os.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if synced != nil {
		synced(f.Name(), info.Size(), time.Since(began))
	}
	return info, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Contains reports whether the last block of a stream ends in data, so that the layout of the store is the one that Syncer
// knows. It is for a message that was just stored.
func (s *Store) Contains(stream string, data []byte) (bool, error) {
	dir := filepath.Join(s.dir, defaultStreamsDir, stream, messagesDir)
	numbers, err := readBlocks(dir)
	if err != nil || len(numbers) == 0 {
		return false, ignoreMissing(err)
	}
	f, err := os.Open(filepath.Join(dir, blockName(numbers[len(numbers)-1])))
	if err != nil {
		return false, ignoreMissing(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	tail, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-probeTail), probeTail))
	return bytes.Contains(tail, data), err
}

// probeTail is how many bytes at the end of a block Contains reads.
const probeTail = 64 << 10
