package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// UploadAge is how long an uploaded image is kept. RESULT_TTL is at least as long.
	UploadAge = 24 * time.Hour
	// MaxUploads is how many uploads of one owner are kept.
	MaxUploads = 50
)

// ErrTooManyUploads is returned when an owner has MaxUploads uploads.
var ErrTooManyUploads = errors.New("the owner has too many uploads")

// Upload describes an uploaded image.
type Upload struct {
	V           int      `json:"v"`
	ID          string   `json:"id"`
	ContentType string   `json:"content_type"`
	Width       int      `json:"width"`
	Height      int      `json:"height"`
	Bytes       int64    `json:"bytes"`
	SHA256      string   `json:"sha256"`
	ExpiresAt   job.Time `json:"expires_at"`
	ChunkBytes  int      `json:"chunk_bytes"`
}

// UploadID returns the id of an owner's upload of an image. The same image again is the same upload, so that a repeated request stores
// nothing more.
func UploadID(owner string, data []byte) string {
	sum := sha256.Sum256(data)
	return uuid.NewSHA1(uuid.NameSpaceOID, append([]byte(owner+"\x00"), sum[:]...)).String()
}

// PutUpload stores an image of an owner and returns its description with id, size, hash and expiry. When it returns no error, both
// are on disk. An image that is stored already is kept for another UploadAge. It removes expired uploads of the owner, and fails with
// ErrTooManyUploads and ErrFull. It costs two requests, one acknowledged publish for each 512 KiB and one for the description.
func (s *Store) PutUpload(ctx context.Context, owner string, u Upload, data []byte) (Upload, error) {
	sum := sha256.Sum256(data)
	now := time.Now()
	if owner == job.OwnerAnonymous {
		// Anonymous callers share an owner, and only the id protects their uploads.
		id, err := uuid.NewRandom()
		if err != nil {
			return Upload{}, fmt.Errorf("make upload ID: %w", err)
		}
		u.ID = id.String()
	} else {
		u.ID = UploadID(owner, data)
		if err := s.makeRoom(ctx, owner, u.ID, now); err != nil {
			return Upload{}, err
		}
	}
	u.V, u.ChunkBytes, u.ExpiresAt = job.Version, chunk.Size, job.At(now.Add(UploadAge))
	u.SHA256, u.Bytes = hex.EncodeToString(sum[:]), int64(len(data))
	encoded, err := json.Marshal(u)
	if err != nil {
		return Upload{}, fmt.Errorf("encode upload: %w", err)
	}
	// Chunks that no description follows expire.
	err = s.broker.WriteFirst(ctx, broker.ResultsStream, func(ctx context.Context) error {
		return chunk.New(s.buffered, s.results).Put(ctx, uploadChunk(owner, u.ID), data)
	})
	if err != nil {
		return Upload{}, fmt.Errorf("store upload: %w", publishError(err, ErrExists))
	}
	if _, err := s.js.Publish(ctx, broker.UploadSubject(owner, u.ID), encoded); err != nil {
		return Upload{}, fmt.Errorf("store upload: %w", publishError(err, ErrExists))
	}
	return u, nil
}

// makeRoom removes the expired uploads of an owner, and fails with ErrTooManyUploads when MaxUploads are left beside that with id.
func (s *Store) makeRoom(ctx context.Context, owner, id string, now time.Time) error {
	stored, err := s.uploads(ctx, owner)
	if err != nil {
		return err
	}
	left := 0
	for _, u := range stored {
		switch {
		case u.ID == id:
		case now.Before(u.ExpiresAt.Time):
			left++
		default:
			if _, err := s.DeleteUpload(ctx, owner, u.ID); err != nil {
				return err
			}
		}
	}
	if left >= MaxUploads {
		return ErrTooManyUploads
	}
	return nil
}

// Uploads returns the uploads of an owner, newest first. It costs two requests.
func (s *Store) Uploads(ctx context.Context, owner string) ([]Upload, error) {
	stored, err := s.uploads(ctx, owner)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	stored = slices.DeleteFunc(stored, func(u Upload) bool { return !now.Before(u.ExpiresAt.Time) })
	slices.SortFunc(stored, func(a, b Upload) int { return b.ExpiresAt.Compare(a.ExpiresAt.Time) })
	return stored, nil
}

// uploads returns the uploads of an owner, including expired ones that are not removed yet.
func (s *Store) uploads(ctx context.Context, owner string) ([]Upload, error) {
	ids, err := s.UploadIDs(ctx, owner)
	if err != nil {
		return nil, err
	}
	found, err := lastValues(ctx, s.js, broker.ResultsStream, ids, func(id string) string { return broker.UploadSubject(owner, id) }, decodeUpload)
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	uploads := make([]Upload, 0, len(found))
	for _, u := range found {
		uploads = append(uploads, *u)
	}
	return uploads, nil
}

// UploadIDs returns the ids of all uploads of an owner, including expired ones that are not removed yet. It costs one request to the
// leader of the stream.
func (s *Store) UploadIDs(ctx context.Context, owner string) ([]string, error) {
	return s.lastTokens(ctx, broker.OwnerUploadsSubject(owner))
}

// DeleteUpload removes an upload, and reports whether there was one. Jobs that use it have copies. It costs three requests.
func (s *Store) DeleteUpload(ctx context.Context, owner, id string) (found bool, err error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.UploadSubject(owner, id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read upload: %w", err)
	}
	// Not beyond the description: the same image may be uploaded again at this moment.
	for _, subject := range []string{broker.UploadSubject(owner, id), broker.UploadChunksSubject(owner, id)} {
		if err := s.results.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(msg.Sequence+1)); err != nil {
			return false, fmt.Errorf("remove upload: %w", err)
		}
	}
	return true, nil
}

// Upload returns the description of an upload, read from the leader of the stream. It fails with ErrNotFound when it does not exist
// or has expired. It costs one request.
func (s *Store) Upload(ctx context.Context, owner, id string) (Upload, error) {
	msg, err := broker.LeaderLast(ctx, s.js, broker.ResultsStream, broker.UploadSubject(owner, id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return Upload{}, ErrNotFound
	case err != nil:
		return Upload{}, fmt.Errorf("read upload: %w", err)
	}
	u, err := decodeUpload(msg.Data)
	switch {
	case err != nil:
		return Upload{}, err
	case !time.Now().Before(u.ExpiresAt.Time):
		return Upload{}, ErrNotFound
	}
	return *u, nil
}

func decodeUpload(data []byte) (*Upload, error) {
	var u Upload
	switch err := json.Unmarshal(data, &u); {
	case err != nil:
		return nil, fmt.Errorf("decode upload: %w", err)
	case u.V > job.Version:
		return nil, fmt.Errorf("decode upload: %w", job.ErrNewer)
	case u.ID == "" || u.ChunkBytes <= 0 || u.Bytes <= 0 || len(u.SHA256) < hashLength:
		return nil, errors.New("decode upload: incomplete")
	}
	return &u, nil
}

// OpenUpload opens an uploaded image, as OpenMedia does.
func (s *Store) OpenUpload(ctx context.Context, owner string, u Upload) *io.SectionReader {
	return chunk.New(s.js, s.results).Open(ctx, chunk.Blob{Subject: uploadChunk(owner, u.ID), Bytes: u.Bytes, ChunkBytes: u.ChunkBytes})
}

func uploadChunk(owner, id string) func(n int) string {
	return func(n int) string { return broker.UploadChunkSubject(owner, id, n) }
}
