package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// hashLength is how many hexadecimal digits of the SHA-256 are part of the subject of a chunk.
const hashLength = 16

// manifest describes a stored media file and determines the subjects of its chunks.
type manifest struct {
	V int `json:"v"`
	job.Media
	ChunkBytes int `json:"chunk_bytes"`
}

// Product is an image or audio file that a job has produced and that is not stored yet.
type Product struct {
	Media job.Media
	Data  []byte
}

// PutMedia stores an image or audio file of a job and returns its description with size and hash filled in. If an earlier attempt
// has stored one with the same index, that one is kept and its description returned. Neither is durable before the job's record
// is. It costs one acknowledged publish for each
// 512 KiB and one for the manifest.
func (s *Store) PutMedia(ctx context.Context, owner, id string, m job.Media, data []byte) (job.Media, error) {
	sum := sha256.Sum256(data)
	m.SHA256, m.Bytes = hex.EncodeToString(sum[:]), int64(len(data))
	if err := chunk.New(s.buffered, s.results).Put(ctx, chunkSubject(owner, id, m), data); err != nil {
		return job.Media{}, fmt.Errorf("store media: %w", publishError(err, ErrExists))
	}
	return s.putManifest(ctx, owner, id, m)
}

// putManifest stores the description of a medium whose chunks are stored, or returns the one that is stored already.
func (s *Store) putManifest(ctx context.Context, owner, id string, m job.Media) (job.Media, error) {
	encoded, err := json.Marshal(manifest{V: job.Version, Media: m, ChunkBytes: chunk.Size})
	if err != nil {
		return job.Media{}, fmt.Errorf("encode manifest: %w", err)
	}
	msg, err := createOrExisting(ctx, s.buffered, broker.ManifestSubject(owner, id, m.Index), encoded)
	if err != nil {
		return job.Media{}, fmt.Errorf("store manifest: %w", err)
	}
	if msg == nil {
		return m, nil
	}
	existing, err := decodeManifest(msg.Data)
	if err != nil {
		return job.Media{}, err
	}
	return existing.Media, nil
}

// MediaInfo returns the description of a media file, read from the leader of the stream. It fails with ErrNotFound.
func (s *Store) MediaInfo(ctx context.Context, owner, id string, index int) (job.Media, error) {
	m, err := s.manifest(ctx, owner, id, index)
	if err != nil {
		return job.Media{}, err
	}
	return m.Media, nil
}

func (s *Store) manifest(ctx context.Context, owner, id string, index int) (*manifest, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.ManifestSubject(owner, id, index))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	return decodeManifest(msg.Data)
}

func decodeManifest(data []byte) (*manifest, error) {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	if m.V > job.Version {
		return nil, fmt.Errorf("decode manifest: %w", job.ErrNewer)
	}
	if m.ChunkBytes <= 0 || len(m.SHA256) < hashLength {
		return nil, errors.New("decode manifest: incomplete")
	}
	return &m, nil
}

// OpenMedia opens a media file, as a job's record or MediaInfo describes it, for reading from any offset. Its bytes are read on demand, one
// chunk at a time; ctx bounds these reads too. It fails with ErrNotFound. It costs one request, to any replica: for the content of a file
// of up to 512 KiB, and for the manifest of a larger one.
func (s *Store) OpenMedia(ctx context.Context, owner, id string, m job.Media) (*io.SectionReader, error) {
	blob, err := s.blob(ctx, owner, id, m)
	if err != nil {
		return nil, err
	}
	data := chunk.New(s.js, s.results).Open(ctx, blob)
	if m.Bytes == 0 || m.Bytes > chunk.Size {
		return data, nil
	}
	// The chunk stays with the reader.
	if _, err := data.ReadAt(make([]byte, 1), 0); err != nil {
		return nil, fmt.Errorf("open media: %w", chunkError(err))
	}
	return data, nil
}

// CheckMedia reads a media file. It fails with ErrGone when it, or a part of it, is not stored. It costs as much as reading it.
func (s *Store) CheckMedia(ctx context.Context, owner, id string, m job.Media) error {
	content, err := s.OpenMedia(ctx, owner, id, m)
	if err == nil {
		_, err = io.Copy(io.Discard, content)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrNotFound), errors.Is(err, chunk.ErrMissing), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: %w", ErrGone, err)
	}
	return fmt.Errorf("check media: %w", err)
}

// blob locates the chunks of a media file. A file of one chunk is found without its manifest, so that a later version need not write one;
// any other costs a request. It fails with ErrNotFound.
func (s *Store) blob(ctx context.Context, owner, id string, m job.Media) (chunk.Blob, error) {
	if m.Bytes < 0 || len(m.SHA256) < hashLength {
		return chunk.Blob{}, errors.New("locate media: incomplete description")
	}
	blob := chunk.Blob{Subject: chunkSubject(owner, id, m), Bytes: m.Bytes, ChunkBytes: chunk.Size}
	if m.Bytes <= chunk.Size {
		return blob, nil
	}
	stored, err := s.manifest(ctx, owner, id, m.Index)
	if err != nil {
		return chunk.Blob{}, err
	}
	blob.ChunkBytes = stored.ChunkBytes
	return blob, nil
}

// chunkSubject returns a function that returns the subject of chunk n of a media file.
func chunkSubject(owner, id string, m job.Media) func(n int) string {
	return func(n int) string { return broker.ChunkSubject(owner, id, m.Index, m.SHA256[:hashLength], n) }
}
