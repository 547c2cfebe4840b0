package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats-server/v2/server/archive"
)

// maxWindow bounds the memory that decompressing a file may take.
const maxWindow = 8 << 20

// Verify reads a whole backup, checks it against its checksums and counts, and returns its manifest. It fails with
// ErrDamaged, ErrNewer, or an error of r.
func Verify(r io.Reader) (*Manifest, error) {
	f, err := openFile(r)
	if err != nil {
		return nil, err
	}
	defer f.close()
	var found []Stream
	for {
		s, err := f.nextStream()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := f.eachMessage(s, func(*archive.Header, io.Reader) error { return nil }); err != nil {
			return nil, err
		}
		found = append(found, *s)
	}
	m, err := f.manifest()
	if err != nil {
		return nil, err
	}
	// A stream without a message has no part.
	at := 0
	for _, want := range m.Streams {
		if want.Parts == 0 {
			continue
		}
		if at == len(found) || !want.matches(found[at]) {
			return nil, fmt.Errorf("%w: stream %s does not match the manifest", ErrDamaged, want.Name)
		}
		at++
	}
	if at != len(found) {
		return nil, fmt.Errorf("%w: stream %s is not in the manifest", ErrDamaged, found[at].Name)
	}
	return m, nil
}

// matches reports whether a stream in a file matches its description in the manifest.
func (s Stream) matches(found Stream) bool {
	return s.Name == found.Name && s.SHA256 == found.SHA256 && s.Messages == found.Messages && s.Parts == found.Parts && s.Bytes == found.Bytes
}

// file reads a backup from its beginning to its end.
type file struct {
	zstd *zstd.Decoder
	tar  *tar.Reader
	// head is the header of the current file in the archive; nil at the end.
	head *tar.Header
}

func openFile(r io.Reader) (*file, error) {
	z, err := zstd.NewReader(newTrailerReader(r), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	f := &file{zstd: z, tar: tar.NewReader(z)}
	var p Preamble
	if err := f.advance(); err != nil {
		z.Close()
		return nil, err
	}
	if err = f.json(preambleFile, &p); err == nil {
		err = p.check()
	}
	if err == nil {
		err = f.advance()
	}
	if err != nil {
		z.Close()
		return nil, err
	}
	return f, nil
}

func (f *file) close() { f.zstd.Close() }

// damaged wraps an error of a decoder in ErrDamaged, unless it is ErrDamaged or ErrNewer already.
func damaged(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDamaged, err)
}

func (f *file) advance() error {
	head, err := f.tar.Next()
	if errors.Is(err, io.EOF) {
		f.head = nil
		// Reading to the end detects a file that is truncated in the last frame.
		more, err := io.Copy(io.Discard, f.zstd)
		if err == nil && more > 0 {
			err = errors.New("there is data after the end")
		}
		if err != nil {
			return damaged(err)
		}
		return nil
	}
	if err != nil {
		return damaged(err)
	}
	f.head = head
	return nil
}

func (f *file) json(name string, v any) error {
	if f.head == nil || f.head.Name != name || f.head.Size > maxMeta {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, name)
	}
	data, err := io.ReadAll(io.LimitReader(f.tar, maxMeta))
	if err != nil {
		return damaged(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	return nil
}

// manifest reads the manifest, which must be the last file.
func (f *file) manifest() (*Manifest, error) {
	m := &Manifest{}
	if err := f.json(manifestFile, m); err != nil {
		return nil, err
	}
	if err := f.advance(); err != nil {
		return nil, err
	}
	if f.head != nil {
		return nil, fmt.Errorf("%w: there is data after the manifest", ErrDamaged)
	}
	for _, s := range m.Streams {
		if !validName.MatchString(s.Name) {
			return nil, fmt.Errorf("%w: %q is not a valid stream name", ErrDamaged, s.Name)
		}
	}
	return m, m.check()
}

// nextStream returns the next stream, with only its name. It fails with io.EOF when the manifest comes next.
func (f *file) nextStream() (*Stream, error) {
	if f.head == nil {
		return nil, fmt.Errorf("%w: its manifest is missing", ErrDamaged)
	}
	if f.head.Name == manifestFile {
		return nil, io.EOF
	}
	s := &Stream{}
	for _, name := range Streams() {
		if f.head.Name == partName(name, 1) {
			s.Name = name
		}
	}
	if s.Name == "" {
		return nil, fmt.Errorf("%w: unexpected file %q", ErrDamaged, f.head.Name)
	}
	return s, nil
}

// eachMessage calls each with every message of a stream and its content, and completes s.
func (f *file) eachMessage(s *Stream, each func(head *archive.Header, content io.Reader) error) error {
	parts := &partReader{file: f, stream: s, sum: sha256.New()}
	messages := archive.NewReader(parts)
	for {
		head, err := messages.Next()
		if errors.Is(err, io.EOF) && parts.ended {
			break
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, damaged(err))
		}
		if head.Sequence == 0 || head.Sequence <= s.LastSeq {
			return fmt.Errorf("%w: stream %s: message %d is out of order", ErrDamaged, s.Name, head.Sequence)
		}
		if head.HeaderSize < 0 || head.PayloadSize < 0 || head.HeaderSize > maxMessage || head.PayloadSize > maxMessage {
			return fmt.Errorf("%w: stream %s: message %d is too large", ErrDamaged, s.Name, head.Sequence)
		}
		content := &io.LimitedReader{R: messages, N: head.HeaderSize + head.PayloadSize}
		if err := each(head, content); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil || content.N > 0 {
			return fmt.Errorf("%w: stream %s: message %d is truncated", ErrDamaged, s.Name, head.Sequence)
		}
		s.LastSeq = head.Sequence
		s.Messages++
		s.Bytes += storedBytes(head)
	}
	s.SHA256 = hex.EncodeToString(parts.sum.Sum(nil))
	return nil
}

// maxMessage is the largest message that NATS stores.
const maxMessage = 64 << 20

// partReader reads the parts of a stream one after the other.
type partReader struct {
	file   *file
	stream *Stream
	sum    hash.Hash
	open   bool
	ended  bool
}

// Read implements io.Reader. It returns io.EOF after the last part.
func (p *partReader) Read(buf []byte) (int, error) {
	for {
		if !p.open {
			head := p.file.head
			if head == nil || head.Name != partName(p.stream.Name, p.stream.Parts+1) {
				p.ended = true
				return 0, io.EOF
			}
			if head.Size > maxPart {
				return 0, fmt.Errorf("%w: a part is too large", ErrDamaged)
			}
			p.open = true
			p.stream.Parts++
		}
		n, err := p.file.tar.Read(buf)
		_, _ = p.sum.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			p.open = false
			if err = p.file.advance(); err != nil {
				return n, err
			}
		} else if err != nil {
			return n, damaged(err)
		}
		if n > 0 {
			return n, nil
		}
	}
}
