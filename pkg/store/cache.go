package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ErrGone is returned when media to copy, or those of a job that is about to end, are no longer stored, or are damaged.
var ErrGone = errors.New("the media are gone")

// cacheEntry names the job that generates, or has generated, the result of identical requests.
type cacheEntry struct {
	V  int    `json:"v"`
	ID string `json:"id"`
}

// CacheLeader is the job that generates, or has generated, the result of identical requests. Its ID is "" if there is none.
type CacheLeader struct {
	ID string
	// Revision is the argument of SetCacheLeader, and Since when the job became the leader, by the clock of NATS.
	Revision uint64
	Since    time.Time
}

// CacheLeader returns the leader of the requests of an owner with a key. It fails with job.ErrNewer, and costs one request to the leader of
// the stream.
func (s *Store) CacheLeader(ctx context.Context, owner, key string) (CacheLeader, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.CacheStream, broker.CacheSubject(owner, key))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return CacheLeader{}, nil
	case err != nil:
		return CacheLeader{}, fmt.Errorf("read cache: %w", err)
	}
	leader := CacheLeader{Revision: msg.Sequence, Since: msg.Time}
	var e cacheEntry
	if err := json.Unmarshal(msg.Data, &e); err != nil {
		return leader, nil // It is replaced, as is the marker of an expired one.
	}
	if e.V > job.Version {
		return CacheLeader{}, fmt.Errorf("decode cache: %w", job.ErrNewer)
	}
	leader.ID = e.ID
	return leader, nil
}

// SetCacheLeader makes a job the one that generates the result of the requests with a key; "" means none. It fails with ErrConflict when another job
// became that after revision was read. It costs one acknowledged publish, which is not synced to disk: it saves upstream calls and
// promises nothing.
func (s *Store) SetCacheLeader(ctx context.Context, owner, key, id string, revision uint64) error {
	data, err := json.Marshal(cacheEntry{V: job.Version, ID: id})
	if err != nil {
		return fmt.Errorf("encode cache: %w", err)
	}
	_, err = s.buffered.Publish(ctx, broker.CacheSubject(owner, key), data, jetstream.WithExpectLastSequencePerSubject(revision))
	return publishError(err, ErrConflict)
}

// eraseCache removes what the cache has of an owner.
func (s *Store) eraseCache(ctx context.Context, owner string) error {
	stream, err := s.js.Stream(ctx, broker.CacheStream)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(broker.OwnerCacheSubject(owner)))
	}
	if err != nil {
		return fmt.Errorf("erase cache of owner: %w", err)
	}
	return nil
}

// CopyMedia copies a medium of one job of an owner to another, just before the record of that is stored. If that has a medium of several
// chunks with this index, it is kept and its description returned. It fails with ErrGone. It holds one chunk in memory, and costs a read and
// an acknowledged publish for each 512 KiB, and if there are several chunks, one publish for the manifest and one request.
func (s *Store) CopyMedia(ctx context.Context, owner, from, to string, m job.Media) (job.Media, error) {
	blob, err := s.blob(ctx, owner, from, m)
	if errors.Is(err, ErrNotFound) {
		return job.Media{}, ErrGone
	}
	if err != nil {
		return job.Media{}, err
	}
	content, subject, sum := chunk.New(s.js, s.results).Open(ctx, blob), chunkSubject(owner, to, m), sha256.New()
	part := make([]byte, min(chunk.Size, m.Bytes))
	for n := 0; int64(n)*chunk.Size < m.Bytes; n++ {
		part = part[:min(chunk.Size, m.Bytes-int64(n)*chunk.Size)]
		_, err := io.ReadFull(content, part)
		switch {
		case errors.Is(err, chunk.ErrMissing), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return job.Media{}, fmt.Errorf("%w: %w", ErrGone, err)
		case err != nil:
			return job.Media{}, fmt.Errorf("copy media: %w", err)
		}
		sum.Write(part)
		if _, err := s.buffered.Publish(ctx, subject(n), part); err != nil {
			return job.Media{}, fmt.Errorf("copy media: %w", publishError(err, ErrExists))
		}
	}
	if hex.EncodeToString(sum.Sum(nil)) != m.SHA256 {
		return job.Media{}, fmt.Errorf("%w: they have another hash", ErrGone)
	}
	if m.Bytes <= chunk.Size {
		return m, nil
	}
	return s.putManifest(ctx, owner, to, m)
}
