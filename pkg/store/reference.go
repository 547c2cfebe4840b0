package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Reference is an image that CopyReferences copies for a job: an upload, a medium, or one that is not stored yet.
type Reference struct {
	job.ReferenceImage
	// open returns the content, of which a reader may hold one chunk.
	open func(ctx context.Context) io.Reader
}

// NewReference returns a reference to an image that is not stored.
func NewReference(contentType string, data []byte) Reference {
	sum := sha256.Sum256(data)
	return Reference{
		job.ReferenceImage{ContentType: contentType, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])},
		func(context.Context) io.Reader { return bytes.NewReader(data) },
	}
}

// UploadReference returns a reference to an upload.
func (s *Store) UploadReference(owner string, u Upload) Reference {
	return Reference{
		job.ReferenceImage{ContentType: u.ContentType, Bytes: u.Bytes, SHA256: u.SHA256},
		func(ctx context.Context) io.Reader { return s.OpenUpload(ctx, owner, u) },
	}
}

// MediaReference returns a reference to a medium of a job, as its record or MediaInfo describes it. A medium of more than 512 KiB costs a
// request, and fails with ErrNotFound; that any other is missing is seen when it is copied.
func (s *Store) MediaReference(ctx context.Context, owner, id string, m job.Media) (Reference, error) {
	blob, err := s.blob(ctx, owner, id, m)
	if err != nil {
		return Reference{}, err
	}
	return Reference{
		job.ReferenceImage{ContentType: m.ContentType, Bytes: m.Bytes, SHA256: m.SHA256},
		func(ctx context.Context) io.Reader { return chunk.New(s.js, s.results).Open(ctx, blob) },
	}, nil
}

// JobReferences returns references to the reference images that were copied for a job, for another job with the same input.
func (s *Store) JobReferences(of *job.Spec) []Reference {
	references := make([]Reference, len(of.References))
	for i, image := range of.References {
		references[i] = Reference{image, func(ctx context.Context) io.Reader { return s.openReference(ctx, of, image) }}
	}
	return references
}

// MissingReferenceError is returned when an image was removed meanwhile or has expired. Index is that in the input.
type MissingReferenceError struct{ Index int }

// Error names the image.
func (e *MissingReferenceError) Error() string {
	return fmt.Sprintf("reference image %d is no longer stored", e.Index)
}

// CopyReferences copies images for a job, and adds them to its spec. When it returns no error they are on disk. It fails with a
// *MissingReferenceError and with ErrFull. It holds one chunk in memory, and costs a read and an acknowledged publish for each 512 KiB.
func (s *Store) CopyReferences(ctx context.Context, spec *job.Spec, references []Reference) error {
	copied := make([]job.ReferenceImage, len(references))
	err := s.broker.WriteDurably(ctx, broker.ResultsStream, func(ctx context.Context) error {
		for i, r := range references {
			r.ChunkBytes = chunk.Size
			err := s.copyReference(ctx, spec, r)
			switch {
			case errors.Is(err, ErrNotFound):
				return &MissingReferenceError{r.Index}
			case err != nil:
				return err
			}
			copied[i] = r.ReferenceImage
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy reference image: %w", err)
	}
	spec.References = copied
	return nil
}

func (s *Store) copyReference(ctx context.Context, spec *job.Spec, r Reference) error {
	subject := referenceChunk(spec, r.ReferenceImage)
	content, part := r.open(ctx), make([]byte, min(chunk.Size, r.Bytes))
	for n := 0; int64(n)*chunk.Size < r.Bytes; n++ {
		part = part[:min(chunk.Size, r.Bytes-int64(n)*chunk.Size)]
		if _, err := io.ReadFull(content, part); err != nil {
			return chunkError(err)
		}
		if _, err := s.buffered.Publish(ctx, subject(n), part); err != nil {
			return publishError(err, ErrExists)
		}
	}
	return nil
}

// ReadReference returns the content of a reference image that was copied for a job. It fails with ErrNotFound when the job was deleted.
// It costs one request for each chunk.
func (s *Store) ReadReference(ctx context.Context, spec *job.Spec, r job.ReferenceImage) ([]byte, error) {
	data := make([]byte, r.Bytes)
	if _, err := io.ReadFull(s.openReference(ctx, spec, r), data); err != nil {
		return nil, fmt.Errorf("read reference image: %w", chunkError(err))
	}
	return data, nil
}

func (s *Store) openReference(ctx context.Context, spec *job.Spec, r job.ReferenceImage) io.Reader {
	return chunk.New(s.js, s.results).Open(ctx, chunk.Blob{Subject: referenceChunk(spec, r), Bytes: r.Bytes, ChunkBytes: r.ChunkBytes})
}

func referenceChunk(spec *job.Spec, r job.ReferenceImage) func(n int) string {
	return func(n int) string {
		return broker.ReferenceChunkSubject(spec.Owner, spec.ID, r.Index, r.SHA256[:hashLength], n)
	}
}

// chunkError returns ErrNotFound for a chunk that is missing, and any other error as it is.
func chunkError(err error) error {
	if errors.Is(err, chunk.ErrMissing) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
