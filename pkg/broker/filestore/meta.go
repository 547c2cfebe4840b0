package filestore

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files with the configuration of a stream or a consumer, and its checksum.
const (
	metaFile = "meta.inf"
	sumFile  = "meta.sum"
	keyFile  = "meta.key"
)

// meta is the configuration of a stream or consumer as the server stores it.
type meta struct {
	Inf []byte `json:"inf"`
	Sum []byte `json:"sum"`
}

// readMeta reads the configuration in a directory. Its checksum is keyed with name, the name of the stream or
// stream/consumer. It fails when the configuration is missing or does not match its checksum.
func readMeta(dir, name string) (meta, error) {
	var m meta
	var err error
	if m.Inf, err = os.ReadFile(filepath.Join(dir, metaFile)); err != nil {
		return meta{}, missingFile(metaFile, err)
	}
	if m.Sum, err = os.ReadFile(filepath.Join(dir, sumFile)); err != nil {
		return meta{}, missingFile(sumFile, err)
	}
	return m, m.check(name)
}

func missingFile(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", name)
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func (m meta) check(name string) error {
	digest, err := newDigest(name)
	if err != nil {
		return err
	}
	_, _ = digest.Write(m.Inf)
	if want := hex.EncodeToString(digest.Sum(nil)); want != string(m.Sum) {
		return fmt.Errorf("%s does not match the checksum in %s", metaFile, sumFile)
	}
	if !json.Valid(m.Inf) {
		return fmt.Errorf("%s is not valid JSON", metaFile)
	}
	return nil
}

// write writes the configuration and its checksum to a directory.
func (m meta) write(dir string) error {
	return errors.Join(writeAtomic(filepath.Join(dir, metaFile), m.Inf), writeAtomic(filepath.Join(dir, sumFile), m.Sum))
}

func (m meta) equal(other meta) bool {
	return bytes.Equal(m.Inf, other.Inf) && bytes.Equal(m.Sum, other.Sum)
}

// streamInfo is the part of a stream's configuration that is used here.
type streamInfo struct {
	Created     time.Time `json:"created"`
	Compression string    `json:"compression"`
}

func (m meta) stream() streamInfo {
	var info streamInfo
	_ = json.Unmarshal(m.Inf, &info) // check has verified that it is valid.
	return info
}
