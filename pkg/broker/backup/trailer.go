package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// The file ends in a skippable frame of Zstandard, which other programs pass over, with the SHA-256 of everything before it.
// The checksums within would miss a change that decompresses to the same content.
const (
	trailerMagic = 0x184D2A5B
	trailerBytes = 8 + sha256.Size
)

func trailer(sum []byte) []byte {
	t := binary.LittleEndian.AppendUint32(nil, trailerMagic)
	t = binary.LittleEndian.AppendUint32(t, sha256.Size)
	return append(t, sum...)
}

// sumWriter adds up what is written.
type sumWriter struct {
	w   io.Writer
	sum hash.Hash
}

// Write is io.Writer.
func (s *sumWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	_, _ = s.sum.Write(p[:n])
	return n, err
}

// trailerReader passes on everything but the trailer, and fails with ErrDamaged at the end when that does not match.
type trailerReader struct {
	r   io.Reader
	sum hash.Hash
	// held is the end of what was read, which may be the trailer.
	held []byte
	buf  []byte
	// ended says that nothing follows what is held.
	ended bool
	err   error
}

func newTrailerReader(r io.Reader) *trailerReader {
	return &trailerReader{r: r, sum: sha256.New(), buf: make([]byte, 64<<10)}
}

// Read is io.Reader.
func (t *trailerReader) Read(p []byte) (int, error) {
	for len(t.held) <= trailerBytes {
		if t.err == nil && t.ended {
			t.err = t.check()
		}
		if t.err != nil {
			return 0, t.err
		}
		n, err := t.r.Read(t.buf)
		t.held = append(t.held, t.buf[:n]...)
		if t.ended = errors.Is(err, io.EOF); !t.ended {
			t.err = err
		}
	}
	n := copy(p, t.held[:len(t.held)-trailerBytes])
	_, _ = t.sum.Write(t.held[:n])
	t.held = append(t.held[:0], t.held[n:]...)
	return n, nil
}

// check compares the trailer, once everything before it was passed on. It returns io.EOF when it matches.
func (t *trailerReader) check() error {
	if !bytes.Equal(t.held, trailer(t.sum.Sum(nil))) {
		return fmt.Errorf("%w: it does not match its checksum, or its end is missing", ErrDamaged)
	}
	return io.EOF
}
