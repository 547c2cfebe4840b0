package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lockFile is the lock of DATA_DIR. Every program that opens the store writes to it.
const lockFile = "lock"

// Names within the directory of a stream.
const (
	messagesDir  = "msgs"
	purgedDir    = "__msgs__"
	consumersDir = "obs"
	stateFile    = "o.dat"
	indexFile    = "index.db"
	blockSuffix  = ".blk"
)

// derivedFiles are indexes without a checksum. The server rebuilds missing ones from the messages.
var derivedFiles = []string{"thw.db", "sched.db"}

// Store is the directory of an embedded NATS server. No server may run on it during a call of a method, unless the method
// says otherwise, and the methods may not be called concurrently.
type Store struct {
	dir string
	now func() time.Time
	// streams are the names of the streams whose absence is damage.
	streams []string
	floors  floors
	// synced are the files and directories of the store as they were when they were last synced, by path.
	synced map[string]fs.FileInfo
}

// New returns the store in DATA_DIR; the server uses nats/jetstream below it. streams are the names of the streams that must
// exist if the manifest lists them.
func New(dir string, streams []string) *Store {
	return &Store{dir: dir, now: time.Now, streams: streams}
}

// Record writes the existing streams with a copy of their configuration to the manifest. A stream whose configuration is
// just being written keeps its former entry. It costs two small reads for each stream and consumer, and a synced write if
// something has changed. It may be called while the server runs.
func (s *Store) Record() error {
	former, unreadable := s.manifest()
	if unreadable != nil && !errors.Is(unreadable, errUnreadable) {
		return unreadable
	}
	dirs, err := s.streamDirs()
	if err != nil {
		return err
	}
	next := manifest{Streams: make(map[string]*streamEntry, len(dirs))}
	for _, rel := range dirs {
		if entry := s.entry(rel, former.Streams[rel]); entry != nil {
			next.Streams[rel] = entry
		}
	}
	if unreadable == nil && next.equal(former) {
		return nil
	}
	return writeFile(filepath.Join(s.dir, manifestFile), next)
}

// entry returns the manifest entry of a stream on the disk. Damaged parts are those of the former entry.
func (s *Store) entry(rel string, former *streamEntry) *streamEntry {
	dir, name := filepath.Join(s.dir, rel), filepath.Base(rel)
	m, err := readMeta(dir, name)
	if err != nil {
		return former
	}
	entry := &streamEntry{Name: name, Created: m.stream().Created, Meta: m}
	for _, consumer := range subdirs(filepath.Join(dir, consumersDir)) {
		m, err := readMeta(filepath.Join(dir, consumersDir, consumer), name+"/"+consumer)
		if err != nil && former != nil {
			m = former.Consumers[consumer]
		}
		if len(m.Inf) == 0 {
			continue
		}
		if entry.Consumers == nil {
			entry.Consumers = make(map[string]meta)
		}
		entry.Consumers[consumer] = m
	}
	return entry
}

func (m manifest) equal(other manifest) bool {
	return maps.EqualFunc(m.Streams, other.Streams, func(a, b *streamEntry) bool {
		return a.Meta.equal(b.Meta) && maps.EqualFunc(a.Consumers, b.Consumers, meta.equal)
	})
}

// RecordStop records the state of the store after a clean stop of the server and SyncAll, so that the next start detects files that
// were changed or truncated since, and syncs nothing. It costs reading the state of all consumers, and a synced write.
func (s *Store) RecordStop() error {
	if err := s.Record(); err != nil {
		return err
	}
	lock, err := s.lockTime()
	if err != nil {
		return err
	}
	dirs, err := s.streamDirs()
	if err != nil {
		return err
	}
	record := stopRecord{Lock: lock, Files: make(map[string]fileState), Synced: true}
	for _, rel := range dirs {
		for _, block := range blocks(filepath.Join(s.dir, rel, messagesDir)) {
			name := filepath.Join(rel, messagesDir, blockName(block))
			info, err := os.Stat(filepath.Join(s.dir, name))
			if err != nil {
				return fmt.Errorf("record the state of the store: %w", err)
			}
			record.Files[name] = fileState{Size: info.Size()}
		}
		for _, name := range s.unprotected(rel) {
			data, err := os.ReadFile(filepath.Join(s.dir, name))
			switch {
			case errors.Is(err, fs.ErrNotExist):
				continue
			case err != nil:
				return fmt.Errorf("record the state of the store: %w", err)
			}
			record.Files[name] = fileState{Size: int64(len(data)), Hash: hashOf(data)}
		}
	}
	return writeFile(filepath.Join(s.dir, stopFile), record)
}

// ForgetStop removes the record of the last stop. It must be called before a server changes the store.
func (s *Store) ForgetStop() error { return remove(filepath.Join(s.dir, stopFile)) }

// unprotected returns the files of a stream that have no checksum of their own.
func (s *Store) unprotected(rel string) []string {
	var names []string
	for _, name := range derivedFiles {
		names = append(names, filepath.Join(rel, messagesDir, name))
	}
	for _, consumer := range subdirs(filepath.Join(s.dir, rel, consumersDir)) {
		names = append(names, filepath.Join(rel, consumersDir, consumer, stateFile))
	}
	return names
}

// Names returns the names of the streams passed to New that exist on the disk.
func (s *Store) Names() []string {
	dirs, _ := s.streamDirs()
	var names []string
	for _, rel := range dirs {
		if name := filepath.Base(rel); slices.Contains(s.streams, name) {
			names = append(names, name)
		}
	}
	return names
}

func (s *Store) manifest() (manifest, error) {
	var m manifest
	err := readFile(filepath.Join(s.dir, manifestFile), &m)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return m, err
}

// stopped returns the record of the last stop, or nil if there is no valid one.
func (s *Store) stopped() *stopRecord {
	var record stopRecord
	if readFile(filepath.Join(s.dir, stopFile), &record) != nil {
		return nil
	}
	if lock, err := s.lockTime(); err != nil || lock != record.Lock {
		return nil
	}
	return &record
}

func (s *Store) lockTime() (int64, error) {
	info, err := os.Stat(filepath.Join(s.dir, lockFile))
	if err != nil {
		return 0, fmt.Errorf("check the lock of DATA_DIR: %w", err)
	}
	return info.ModTime().UnixNano(), nil
}

// streamDirs returns the directories of all streams, relative to DATA_DIR. Directories with a leading dot are being deleted.
func (s *Store) streamDirs() ([]string, error) {
	root := filepath.Join("nats", "jetstream")
	accounts, err := os.ReadDir(filepath.Join(s.dir, root))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the streams in DATA_DIR: %w", err)
	}
	var dirs []string
	for _, account := range accounts {
		parent := filepath.Join(root, account.Name(), "streams")
		for _, stream := range subdirs(filepath.Join(s.dir, parent)) {
			dirs = append(dirs, filepath.Join(parent, stream))
		}
	}
	return dirs, nil
}

// subdirs returns the sorted names of the directories in dir; none if it cannot be read.
func subdirs(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// blocks returns the sorted numbers of the message blocks in dir.
func blocks(dir string) []int {
	numbers, _ := readBlocks(dir)
	return numbers
}

func readBlocks(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	var numbers []int
	for _, e := range entries {
		number, found := strings.CutSuffix(e.Name(), blockSuffix)
		if n, err := strconv.Atoi(number); found && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}

func blockName(number int) string { return strconv.Itoa(number) + blockSuffix }
