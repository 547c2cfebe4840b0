package filestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// An index is
//
//	magic byte | version byte | messages | bytes | first sequence | time of the first | last sequence
//	| ... | checksum of the last record [8]byte | checksum [8]byte
//
// where the numbers are varints, of which only the time is signed. The server writes it at times and when it stops. At a start it trusts
// it if nothing was stored since, and otherwise rebuilds it from the messages.
const (
	indexMagic = 11
	// The versions of the server since 2.10.
	minIndexVersion, maxIndexVersion = 1, 4
)

// indexed reports whether the server will start a stream from its index, which is intact and covers the last block. Otherwise it
// reads every block, and truncates it at the first damage. It costs reading the index.
func (s *Store) indexed(rel string, last Block) bool {
	data, err := os.ReadFile(filepath.Join(s.dir, rel, messagesDir, indexFile))
	if err != nil || len(data) < 2*recordHash {
		return false
	}
	digest, err := newDigest(filepath.Base(rel))
	if err != nil {
		return false
	}
	content, sum := data[:len(data)-recordHash], data[len(data)-recordHash:]
	_, _ = digest.Write(content)
	if !bytes.Equal(digest.Sum(nil), sum) {
		return false
	}
	end, err := readEnd(filepath.Join(s.dir, last.path), recordHash)
	return err == nil && bytes.HasSuffix(content, end)
}

// readEnd reads the last n bytes of a file.
func readEnd(path string, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	end := make([]byte, n)
	_, err = f.ReadAt(end, info.Size()-n)
	return end, err
}

// outdated reports whether messages were stored after an index was written, so that the server would read the whole index only to discard
// it. An index that knows a later sequence than the messages is not outdated: a power failure has cut them off, and the server must not
// use their sequences again. It costs reading the last block.
func (s *Store) outdated(rel string, last Block) bool {
	path := filepath.Join(s.dir, rel, messagesDir, indexFile)
	end, err := readEnd(path, 2*recordHash)
	if err != nil {
		return false
	}
	block, err := os.ReadFile(filepath.Join(s.dir, last.path))
	if err != nil || len(block) < minRecord || bytes.HasSuffix(block, end[:recordHash]) {
		return false
	}
	// The server moves what an interrupted purge has left before it reads the messages.
	if _, err := os.Stat(filepath.Join(s.dir, rel, purgedDir)); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	sequence, err := indexSequence(path)
	return err == nil && sequence <= lastSequence(block)
}

// errIndex means that an index has another format.
var errIndex = errors.New("the format of the index is unknown")

// indexSequence returns the last sequence in an index.
func indexSequence(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 2+5*binary.MaxVarintLen64)
	n, err := f.Read(head)
	if err != nil {
		return 0, fmt.Errorf("read index: %w", err)
	}
	if head = head[:n]; n < 2 || head[0] != indexMagic || head[1] < minIndexVersion || head[1] > maxIndexVersion {
		return 0, errIndex
	}
	var value uint64
	at := 2
	// The zigzag encoding of the signed time has the same length.
	for range 5 {
		value, n = binary.Uvarint(head[at:])
		if n <= 0 {
			return 0, errIndex
		}
		at += n
	}
	return value, nil
}

// lastSequence returns the highest sequence in a block. It ignores an incomplete record at its end, and deletions of messages, which may be
// in blocks before it.
func lastSequence(block []byte) uint64 {
	var last uint64
	for len(block) >= minRecord {
		length, _ := recordLength(block)
		if length < minRecord || length > len(block) {
			break
		}
		if sequence := binary.LittleEndian.Uint64(block[4:]); sequence&tombstoneFlag == 0 {
			last = max(last, sequence&^erasedFlag)
		}
		block = block[length:]
	}
	return last
}
