package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// chunkBytes is the size of every chunk but a medium's last; NATS accepts messages of up to 1 MiB.
	chunkBytes = 512 << 10
	// chunksAtOnce bounds the chunks that are published at the same time.
	chunksAtOnce = 4
	// hashLength is how many hexadecimal digits of the SHA-256 are part of a chunk's key.
	hashLength = 16
)

// manifest describes one stored medium; its chunks follow from it.
type manifest struct {
	V int `json:"v"`
	job.Media
	ChunkBytes int `json:"chunk_bytes"`
}

// Product is a medium that a job has made and that is not stored yet.
type Product struct {
	Media job.Media
	Data  []byte
}

// PutMedia stores one image or audio file of a job and returns its description with size and hash filled in. When an earlier
// attempt has stored one with the same index, that one stays and is returned. It costs one acknowledged publish for each
// 512 KiB and one for the manifest.
func (s *Store) PutMedia(ctx context.Context, owner, id string, m job.Media, data []byte) (job.Media, error) {
	sum := sha256.Sum256(data)
	m.SHA256, m.Bytes = hex.EncodeToString(sum[:]), int64(len(data))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(chunksAtOnce)
	for i := 0; i*chunkBytes < len(data); i++ {
		chunk := data[i*chunkBytes : min((i+1)*chunkBytes, len(data))]
		subject := broker.ChunkSubject(owner, id, m.Index, m.SHA256[:hashLength], i)
		group.Go(func() error {
			_, err := s.js.Publish(groupCtx, subject, chunk)
			return published(err, ErrExists)
		})
	}
	if err := group.Wait(); err != nil {
		return job.Media{}, fmt.Errorf("store media: %w", err)
	}
	encoded, err := json.Marshal(manifest{V: job.Version, Media: m, ChunkBytes: chunkBytes})
	if err != nil {
		return job.Media{}, fmt.Errorf("encode manifest: %w", err)
	}
	msg, err := s.createOrFirst(ctx, broker.ManifestSubject(owner, id, m.Index), encoded)
	if err != nil {
		return job.Media{}, fmt.Errorf("store manifest: %w", err)
	}
	if msg == nil {
		return m, nil
	}
	first, err := decodeManifest(msg.Data)
	if err != nil {
		return job.Media{}, err
	}
	return first.Media, nil
}

// MediaInfo returns the description of a stored medium. It fails with ErrNotFound and reads from the stream's leader.
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

// OpenMedia returns a stored medium for reading, from any offset. It fails with ErrNotFound. Bytes are read from the store on
// demand, one chunk at a time; ctx bounds those reads too.
func (s *Store) OpenMedia(ctx context.Context, owner, id string, index int) (*MediaReader, error) {
	m, err := s.manifest(ctx, owner, id, index)
	if err != nil {
		return nil, err
	}
	return &MediaReader{ctx: ctx, store: s, owner: owner, id: id, manifest: m, loaded: -1}, nil
}

// MediaReader reads a stored medium. It is an io.ReadSeeker, as http.ServeContent wants it.
type MediaReader struct {
	ctx       context.Context //nolint:containedctx // An io.Reader has no other way to be bounded.
	store     *Store
	owner, id string
	manifest  *manifest

	mu     sync.Mutex
	offset int64
	chunk  []byte
	loaded int
}

// Media returns the description of what is read.
func (r *MediaReader) Media() job.Media { return r.manifest.Media }

// Read reads from the current offset.
func (r *MediaReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offset >= r.manifest.Bytes {
		return 0, io.EOF
	}
	size := int64(r.manifest.ChunkBytes)
	if err := r.load(int(r.offset / size)); err != nil {
		return 0, err
	}
	within := r.offset % size
	if within >= int64(len(r.chunk)) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, r.chunk[within:])
	r.offset += int64(n)
	return n, nil
}

// Seek sets the offset of the next Read.
func (r *MediaReader) Seek(offset int64, whence int) (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.offset
	case io.SeekEnd:
		offset += r.manifest.Bytes
	default:
		return 0, errors.New("seek: invalid whence")
	}
	if offset < 0 {
		return 0, errors.New("seek: negative offset")
	}
	r.offset = offset
	return offset, nil
}

func (r *MediaReader) load(chunk int) error {
	if r.loaded == chunk {
		return nil
	}
	subject := broker.ChunkSubject(r.owner, r.id, r.manifest.Index, r.manifest.SHA256[:hashLength], chunk)
	msg, err := r.store.results.GetLastMsgForSubject(r.ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		// A replica may be behind; the leader is not.
		msg, err = broker.LeaderLast(r.ctx, r.store.js, broker.ResultsStream, subject)
	}
	if err != nil {
		return fmt.Errorf("read media: %w", err)
	}
	r.chunk, r.loaded = msg.Data, chunk
	return nil
}
