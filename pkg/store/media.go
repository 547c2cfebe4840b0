package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/nats-io/nats.go"
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

// descriptionHeader is the header of the only chunk of a media file without a manifest. Its value is a description.
const descriptionHeader = "Media"

// description describes a media file, of which the size and the hash are those of the chunk.
type description struct {
	V int `json:"v"`
	job.Media
}

// PutMedia stores an image or audio file of a job and returns its description with size and hash filled in. If an earlier attempt
// has stored one with the same index, that one is kept and its description returned. Neither is durable before the job's record
// is. It costs one acknowledged publish for each
// 512 KiB and one for the manifest.
func (s *Store) PutMedia(ctx context.Context, owner, id string, m job.Media, data []byte) (job.Media, error) {
	m = described(m, data)
	if err := chunk.New(s.buffered, s.results).Put(ctx, chunkSubject(owner, id, m), data); err != nil {
		return job.Media{}, fmt.Errorf("store media: %w", publishError(err, ErrExists))
	}
	return s.putManifest(ctx, owner, id, m)
}

// PutOnlyMedia is PutMedia for the only media file of a job, which is stored just before its record. One of up to 512 KiB costs a single
// acknowledged publish. If an earlier attempt has stored such a file, both are kept, and the record says which one counts.
func (s *Store) PutOnlyMedia(ctx context.Context, owner, id string, m job.Media, data []byte) (job.Media, error) {
	if len(data) == 0 || len(data) > chunk.Size {
		return s.PutMedia(ctx, owner, id, m, data)
	}
	encoded, err := json.Marshal(description{V: job.Version, Media: m})
	if err != nil {
		return job.Media{}, fmt.Errorf("encode description: %w", err)
	}
	m = described(m, data)
	msg := &nats.Msg{Subject: chunkSubject(owner, id, m)(0), Data: data, Header: nats.Header{descriptionHeader: {string(encoded)}}}
	if _, err := s.buffered.PublishMsg(ctx, msg); err != nil {
		return job.Media{}, fmt.Errorf("store media: %w", publishError(err, ErrExists))
	}
	return m, nil
}

// described returns the description of a media file with its size and hash.
func described(m job.Media, data []byte) job.Media {
	sum := sha256.Sum256(data)
	m.SHA256, m.Bytes = hex.EncodeToString(sum[:]), int64(len(data))
	return m
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

// FindOnlyMedia returns the description of the only media file of a job without a record, however it was stored. It fails with
// ErrNotFound. It costs up to two requests, to the leader of the stream.
func (s *Store) FindOnlyMedia(ctx context.Context, owner, id string) (job.Media, error) {
	m, err := s.MediaInfo(ctx, owner, id, 0)
	if !errors.Is(err, ErrNotFound) {
		return m, err
	}
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.FirstChunksSubject(owner, id, 0))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && len(msg.Header[descriptionHeader]) == 0:
		return job.Media{}, ErrNotFound
	case err != nil:
		return job.Media{}, fmt.Errorf("find media: %w", err)
	}
	var found description
	if err := json.Unmarshal([]byte(msg.Header[descriptionHeader][0]), &found); err != nil {
		return job.Media{}, fmt.Errorf("decode description: %w", err)
	}
	if found.V > job.Version {
		return job.Media{}, fmt.Errorf("decode description: %w", job.ErrNewer)
	}
	return described(found.Media, msg.Data), nil
}

// MediaInfo returns the description of a media file of a job without a record, read from the leader of the stream, unless PutOnlyMedia has
// stored it. It fails with ErrNotFound.
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

// blob locates the chunks of a media file. A file of one chunk is found without a manifest; any other costs a request. It fails with
// ErrNotFound.
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
