package filestore

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// manifestFile lists the streams that exist, with a copy of their configuration.
	manifestFile = "streams.json"
	// stopFile describes the store as it was when the last process stopped. It exists while none runs.
	stopFile = "stopped.json"
	// asideDir is the directory to which damaged files are moved.
	asideDir = "damaged"

	fileVersion = 1
)

// errUnreadable is returned for a file of this package that is damaged.
var errUnreadable = errors.New("it does not match its checksum")

// manifest lists the streams of a store by their directory.
type manifest struct {
	Streams map[string]*streamEntry `json:"streams"`
}

type streamEntry struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	// Meta is the stream's configuration, and Consumers that of its durable consumers by name.
	Meta      meta            `json:"meta"`
	Consumers map[string]meta `json:"consumers,omitempty"`
}

// stopRecord is the state of the store after a clean stop.
type stopRecord struct {
	// Lock is the modification time of the lock file. A program that opened the store since, such as an older version, has
	// changed it, which makes the record invalid.
	Lock int64 `json:"lock"`
	// Files are the message blocks and the files without a checksum of their own.
	Files map[string]fileState `json:"files"`
	// Synced reports that the whole store was synced before. Versions that do not set it sync every write or not at all.
	Synced bool `json:"synced,omitempty"`
}

// lists reports whether there were exactly these blocks of a stream.
func (r *stopRecord) lists(list []Block) bool {
	for _, b := range list {
		if _, ok := r.Files[b.path]; !ok {
			return false
		}
	}
	return true
}

type fileState struct {
	Size int64 `json:"size"`
	// Hash is the SHA-256 of a file without a checksum of its own.
	Hash string `json:"sha256,omitempty"`
}

// envelope adds a checksum to a file of this package.
type envelope struct {
	V       int             `json:"v"`
	Sum     string          `json:"sha256"`
	Content json.RawMessage `json:"content"`
}

// readFile reads a file of this package into v. It fails with fs.ErrNotExist and errUnreadable.
func readFile(path string, v any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	var e envelope
	if json.Unmarshal(data, &e) != nil || e.V != fileVersion || e.Sum != hashOf(e.Content) || json.Unmarshal(e.Content, v) != nil {
		return fmt.Errorf("read %s: %w", filepath.Base(path), errUnreadable)
	}
	return nil
}

// writeFile writes a file of this package. After a crash either the old or the new one exists.
func writeFile(path string, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	data, err := json.Marshal(envelope{V: fileVersion, Sum: hashOf(content), Content: content})
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return writeAtomic(path, append(data, '\n'))
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// writeAtomic replaces a file and syncs it to the disk. One process writes at a time, so the temporary file has a fixed
// name; the next write overwrites one that a crash left behind.
func writeAtomic(path string, data []byte) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, remove(temp)))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes renames within a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}

// remove deletes a file, if it exists.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}
