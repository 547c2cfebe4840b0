package generate

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// maxParallelReferences is the size of the stored reference images of a job, in bytes, up to which its images are generated concurrently:
// each request has them all.
const maxParallelReferences = 1 << 20

// referenceList has the reference images of a job as the upstream gets them: URLs, and data URLs of size bytes in all.
type referenceList struct {
	images []string
	size   int64
}

// references returns the reference images of a job, stored ones as data URLs. Those are not read if no image is missing.
func (g *Generator) references(ctx context.Context, spec *job.Spec, in *job.ImageInput, missing int) (referenceList, error) {
	list := referenceList{images: in.ReferenceImages}
	if missing == 0 {
		return list, nil
	}
	if len(spec.References) > 0 {
		list.images = slices.Clone(in.ReferenceImages)
	}
	for _, r := range spec.References {
		if r.Index < 0 || r.Index >= len(list.images) {
			return list, upstream.Rejected(job.UpstreamImage, "a reference image is not one of the input")
		}
		data, err := g.Reference(ctx, spec, r)
		if errors.Is(err, store.ErrNotFound) {
			return list, upstream.Rejected(job.UpstreamImage, "a reference image is no longer stored")
		}
		if err != nil {
			return list, processor.StoreError(err)
		}
		list.images[r.Index] = "data:" + r.ContentType + ";base64," + base64.StdEncoding.EncodeToString(data)
		list.size += r.Bytes
	}
	for _, image := range list.images {
		if _, stored, _ := job.ParseReference(image); stored {
			// The upstream would ignore it, and the image would be another one.
			return list, upstream.Rejected(job.UpstreamImage, "a reference image was not copied for the job")
		}
	}
	return list, nil
}
