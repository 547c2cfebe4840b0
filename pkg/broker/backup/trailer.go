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

// The file ends with a skippable Zstandard frame, which other programs ignore, with the SHA-256 of everything before it. The
// checksums within would miss a change that decompresses to the same content.
const (
	trailerMagic = 0x184D2A5B
	trailerBytes = 8 + sha256.Size
)

func trailer(sum []byte) []byte {
	t := binary.LittleEndian.AppendUint32(nil, trailerMagic)
	t = binary.LittleEndian.AppendUint32(t, sha256.Size)
	return append(t, sum...)
}

// sumWriter computes the checksum of the written data.
type sumWriter struct {
	w   io.Writer
	sum hash.Hash
}

// Write implements io.Writer.
func (s *sumWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	_, _ = s.sum.Write(p[:n])
	return n, err
}

// trailerReader reads everything but the trailer, and returns ErrDamaged at the end if that does not match.
type trailerReader struct {
	r   io.Reader
	sum hash.Hash
	// held is the end of the data read so far, which may be the trailer.
	held []byte
	buf  []byte
	// ended reports that r is at its end.
	ended bool
	err   error
}

func newTrailerReader(r io.Reader) *trailerReader {
	return &trailerReader{r: r, sum: sha256.New(), buf: make([]byte, 64<<10)}
}

// Read implements io.Reader.
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

// check returns io.EOF if the trailer matches the data before it, and otherwise ErrDamaged.
func (t *trailerReader) check() error {
	if !bytes.Equal(t.held, trailer(t.sum.Sum(nil))) {
		return fmt.Errorf("%w: its checksum does not match, or its end is missing", ErrDamaged)
	}
	return io.EOF
}
