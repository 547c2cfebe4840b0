package server

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// maxReferenceBytes bounds the stored reference images of a job together, which become a part of each request to the upstream.
const maxReferenceBytes = maxUploadBytes

// errNotImage is returned for a medium that is not an image.
var errNotImage = errors.New("the medium is not an image")

// findReferences finds the stored reference images of an order, which Submit then copies. An order with one that cannot be used fails
// with a problem, unless it may repeat a submission: that fails later, if it turns out to be a new one.
func (s *submissions) findReferences(ctx context.Context, caller session.Caller, o *jobs.Order, mayRepeat bool) error {
	wanted := o.StoredReferences()
	if len(wanted) == 0 {
		return nil
	}
	var references []store.Reference
	var faults []job.FieldError
	total := int64(0)
	for _, i := range slices.Sorted(maps.Keys(wanted)) {
		r, err := s.findReference(ctx, caller, wanted[i])
		fault := job.FieldError{Pointer: "/reference_images/" + strconv.Itoa(i)}
		switch {
		case errors.Is(err, store.ErrNotFound), errors.Is(err, jobs.ErrNotFound):
			fault = jobs.MissingReference(i)
		case errors.Is(err, errNotImage):
			fault.Code = "reference_not_image"
		case err != nil:
			return err
		case total+r.Bytes > maxReferenceBytes:
			fault.Code, fault.Args = "references_too_large", map[string]string{"max": strconv.Itoa(maxReferenceBytes)}
		}
		if fault.Code != "" {
			faults = append(faults, fault)
			continue
		}
		r.Index = i
		references, total = append(references, r), total+r.Bytes
	}
	if len(faults) > 0 && !mayRepeat {
		return problem.Invalid(prefixPointers("/input", faults)...)
	}
	o.SetReferences(references, faults...)
	return nil
}

// findReference finds a stored image that the caller may read. It fails with store.ErrNotFound, jobs.ErrNotFound and errNotImage.
func (s *submissions) findReference(ctx context.Context, caller session.Caller, ref job.Reference) (store.Reference, error) {
	if ref.Upload != "" {
		owner, u, err := findUpload(ctx, s.sessions, s.store, caller, ref.Upload)
		if err != nil {
			return store.Reference{}, err
		}
		return s.store.UploadReference(owner, u), nil
	}
	snap, err := readJob(ctx, s.sessions, s.jobs, caller, ref.Job)
	if err != nil {
		return store.Reference{}, err
	}
	m, err := mediaAt(ctx, s.store, snap, strconv.Itoa(ref.Index))
	switch {
	case err != nil:
		return store.Reference{}, err
	case !strings.HasPrefix(safeType(m.ContentType), "image/"):
		return store.Reference{}, errNotImage
	}
	return s.store.MediaReference(ctx, snap.Spec.Owner, snap.Spec.ID, m)
}
