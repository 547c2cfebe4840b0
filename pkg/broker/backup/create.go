package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Create writes a backup of all data stored on disk to w, while the system runs. secret is the Fingerprint of JWT_SECRET, or
// "". It takes a few megabytes of memory, whatever the size of the store, and reads the whole store once. After an error the
// file is not a valid backup.
func Create(ctx context.Context, b *broker.Broker, secret string, w io.Writer) (*Manifest, error) {
	program, commit, _ := telemetry.Version()
	m := &Manifest{Preamble: Preamble{
		Format: formatName, Version: formatVersion, Program: program, Commit: commit, StartedAt: time.Now().UTC(), Secret: secret,
	}}
	// Most of a store is images and audio, which no compression level reduces much.
	file := &sumWriter{w: w, sum: sha256.New()}
	z, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("compress backup: %w", err)
	}
	c := &creator{broker: b, tar: tar.NewWriter(z), time: m.StartedAt}
	if err := c.write(ctx, m); err != nil {
		// The buffered rest is discarded: a handler that has sent nothing yet can still respond with an error.
		file.w = io.Discard
		return nil, errors.Join(err, z.Close())
	}
	if err := errors.Join(c.tar.Close(), z.Close()); err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	if _, err := w.Write(trailer(file.sum.Sum(nil))); err != nil {
		return nil, fmt.Errorf("write backup: %w", err)
	}
	return m, nil
}

type creator struct {
	broker *broker.Broker
	tar    *tar.Writer
	time   time.Time
}

func (c *creator) write(ctx context.Context, m *Manifest) error {
	if err := c.json(preambleFile, m.Preamble); err != nil {
		return err
	}
	for _, name := range Streams() {
		s, err := c.stream(ctx, name)
		if err != nil {
			return fmt.Errorf("back up stream %s: %w", name, err)
		}
		m.Streams = append(m.Streams, *s)
	}
	m.FinishedAt = time.Now().UTC()
	return c.json(manifestFile, m)
}

// stream writes one stream: its snapshot, and the messages stored while that was taken.
func (c *creator) stream(ctx context.Context, name string) (*Stream, error) {
	nc := c.broker.Conn()
	snap, err := openSnapshot(ctx, nc, name)
	if err != nil {
		return nil, err
	}
	s := &Stream{Name: name, Config: snap.config, FirstSeq: snap.state.FirstSeq, LastSeq: snap.state.LastSeq}
	parts := &partWriter{creator: c, stream: s, sum: sha256.New()}
	out := archive.NewWriter(parts)
	var e entry
	var buf bytes.Buffer
	for err == nil {
		if err = snap.next(&e, &buf); err == nil {
			err = put(out, s, &e)
		}
	}
	if closed := snap.close(); !errors.Is(err, io.EOF) || closed != nil {
		return nil, errors.Join(err, closed)
	}
	if err := c.tail(ctx, s, out); err != nil {
		return nil, err
	}
	if err := parts.flush(); err != nil {
		return nil, err
	}
	s.SHA256 = hex.EncodeToString(parts.sum.Sum(nil))
	return s, nil
}

const (
	// tailPasses bounds how often the end of a stream is read, and tailExtra how many messages may be added to it meanwhile.
	tailPasses = 32
	tailExtra  = 20_000
)

// tail writes the messages after the snapshot, up to the current end of the stream. A value that is replaced before it is read is found
// further on. As long as messages are missing, the new end is therefore read as well, unless the stream grows faster than it is read.
func (c *creator) tail(ctx context.Context, s *Stream, out *archive.Writer) error {
	first := uint64(0)
	for range tailPasses {
		end, err := lastSequence(ctx, c.broker.Conn(), s.Name)
		if err != nil {
			return err
		}
		if first == 0 {
			first = end
		}
		added := end - min(s.LastSeq, end)
		if added == 0 || end > first+tailExtra {
			break
		}
		read, err := c.readTo(ctx, s, end, out)
		if err != nil {
			return err
		}
		if read == added {
			break
		}
	}
	if s.LastSeq > 0 {
		s.FirstSeq = max(s.FirstSeq, 1)
	}
	return nil
}

// readTo writes the messages that follow, up to a sequence, and returns their number.
func (c *creator) readTo(ctx context.Context, s *Stream, end uint64, out *archive.Writer) (read uint64, err error) {
	var e entry
	for from := s.LastSeq + 1; from <= end; from = e.seq + 1 {
		err := nextMessage(ctx, c.broker.Conn(), s.Name, from, &e)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return read, err
		}
		if e.seq > end {
			break
		}
		if err := put(out, s, &e); err != nil {
			return read, err
		}
		read++
	}
	s.LastSeq = end
	return read, nil
}

// put writes a message.
func put(out *archive.Writer, s *Stream, e *entry) error {
	head := &archive.Header{
		Name: e.subject, Timestamp: e.time, Sequence: e.seq, HeaderSize: int64(len(e.header)), PayloadSize: int64(len(e.data)),
	}
	if err := out.WriteHeader(head); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	for _, b := range [][]byte{e.header, e.data} {
		if _, err := out.Write(b); err != nil {
			return fmt.Errorf("write message: %w", err)
		}
	}
	s.Messages++
	s.Bytes += storedBytes(head)
	return nil
}

// storedBytes returns approximately the bytes that NATS stores for a message.
func storedBytes(head *archive.Header) uint64 {
	const overhead = 34
	return uint64(int64(len(head.Name)) + head.HeaderSize + head.PayloadSize + overhead) //nolint:gosec // Sizes are not negative.
}

func (c *creator) json(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return c.file(name, append(data, '\n'))
}

func (c *creator) file(name string, data []byte) error {
	head := &tar.Header{Name: name, Mode: 0o600, Size: int64(len(data)), ModTime: c.time, Format: tar.FormatPAX}
	if err := c.tar.WriteHeader(head); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := c.tar.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// partWriter splits a stream into parts, because tar needs the size of a file before its content.
type partWriter struct {
	creator *creator
	stream  *Stream
	sum     hash.Hash
	buf     []byte
}

// Write implements io.Writer.
func (p *partWriter) Write(data []byte) (int, error) {
	written := 0
	for written < len(data) {
		n := min(len(data)-written, partBytes-len(p.buf))
		p.buf = append(p.buf, data[written:written+n]...)
		written += n
		if len(p.buf) == partBytes {
			if err := p.flush(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

func (p *partWriter) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	p.stream.Parts++
	_, _ = p.sum.Write(p.buf)
	err := p.creator.file(partName(p.stream.Name, p.stream.Parts), p.buf)
	p.buf = p.buf[:0]
	return err
}
