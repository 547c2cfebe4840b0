package server

import (
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// editImages is POST /v1/images/edits. Its job has the images as reference images.
func (h *openAIHandler) editImages(c *gin.Context) error {
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	body, done, err := h.uploaded.read(c, caller)
	if err != nil {
		return err
	}
	done = sync.OnceFunc(done)
	defer done()
	r, o, err := h.editOrder(c, caller, body)
	if err != nil {
		return err
	}
	call, err := h.submitCall(c, o)
	if err != nil || call == nil {
		return err
	}
	defer call.release()
	// The job has copies of the images, so that others can be uploaded while it runs.
	done()
	if r.Stream {
		return h.streamImages(c, call, "image_edit.completed", r.OutputFormat)
	}
	record, err := h.finish(c, call)
	if err != nil {
		return err
	}
	return h.respondImages(c, record, r.ResponseFormat, r.OutputFormat)
}

// editOrder returns the order of a form, and the request in it without the images.
func (h *openAIHandler) editOrder(c *gin.Context, caller session.Caller, body []byte) (*openai.ImageRequest, *jobs.Order, error) {
	r, b, err := openai.ParseEdit(c.GetHeader("Content-Type"), body)
	if err != nil {
		return nil, nil, err
	}
	models, fallback := h.models(c.Request.Context()), h.submitter.Defaults().ImageModel
	in := r.Input(b)
	substitute := openai.EditModel(len(r.Images))
	if in.Model == "" {
		in.Model, _ = substitute(models.Images, "", fallback)
	} else {
		in.Model = h.model(c, in.Model, fallback, models.Images, h.catalogue.Images, substitute)
	}
	for _, data := range r.Images {
		in.ReferenceImages = append(in.ReferenceImages, job.Reference{Upload: store.UploadID(caller.Owner, data)}.String())
	}
	// A form has room for thousands of images, each of which takes long to decode: an invalid request must not.
	b.AddMissing(openai.ImageFaults(in.Validate(models))...)
	if err := b.Err(); err != nil {
		return nil, nil, err
	}
	references := make([]store.Reference, len(r.Images))
	for i, data := range r.Images {
		found, err := h.uploaded.check(c, data)
		if err != nil {
			return nil, nil, err
		}
		references[i] = store.NewReference(found.ContentType, found.Data)
		references[i].Index = i
		in.ReferenceImages[i] = job.Reference{Upload: store.UploadID(caller.Owner, found.Data)}.String()
	}
	o, err := h.order(job.KindImage, in, models, b, openai.ImageFaults)
	if err != nil {
		return nil, nil, err
	}
	o.SetReferences(references)
	return &r.ImageRequest, o, nil
}
