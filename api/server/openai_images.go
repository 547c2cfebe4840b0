package server

import (
	"encoding/base64"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// generateImages is POST /v1/images/generations.
func (h *openAIHandler) generateImages(c *gin.Context) error {
	var r openai.ImageRequest
	b, err := bind.Lenient(c, &r)
	if err != nil {
		return err
	}
	models := h.models(c.Request.Context())
	in := r.Input(b)
	in.Model = h.model(c, in.Model, h.submitter.Defaults().ImageModel, models.Images, h.catalogue.Images, openai.ImageModel)
	o, err := h.order(job.KindImage, in, models, b, openai.ImageFaults)
	if err != nil {
		return err
	}
	call, err := h.submitCall(c, o)
	if err != nil || call == nil {
		return err
	}
	defer call.release()
	if r.Stream {
		return h.streamImages(c, call, "image_generation.completed", r.OutputFormat)
	}
	record, err := h.finish(c, call)
	if err != nil {
		return err
	}
	return h.respondImages(c, record, r.ResponseFormat, r.OutputFormat)
}

// respondImages responds with the images of a job, as base64, URL or both, in an output format if there is one.
func (h *openAIHandler) respondImages(c *gin.Context, r *job.Record, format, output string) error {
	images := openai.NewImages(r.Spec)
	for _, m := range r.Result.Media {
		image, served := openai.Image{Seed: m.Seed}, m
		if format != openai.FormatBase64 {
			image.URL = h.imageURL(c, r.Spec, m, output)
			if openai.Convertible(m.ContentType, output) {
				served.ContentType = "image/" + output
			}
		}
		if format != openai.FormatURL {
			var data []byte
			var err error
			if served, data, err = h.readImage(c, r.Spec, m, output); err != nil {
				return err
			}
			image.B64JSON = base64.StdEncoding.EncodeToString(data)
		}
		images.Add(image, served)
	}
	if missing := len(r.Result.Missing); missing > 0 {
		warn(c, "%d of %d images could not be generated; the job has the reasons.", missing, missing+len(r.Result.Media))
	}
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, images)
	return nil
}

// readImage returns an image of a job with its content, in an output format if there is one.
func (h *openAIHandler) readImage(c *gin.Context, spec *job.Spec, m job.Media, output string) (job.Media, []byte, error) {
	data, err := readMedia(c, h.store, spec, m)
	if err != nil {
		return job.Media{}, nil, err
	}
	data, m.ContentType, err = h.converter.Convert(c.Request.Context(), data, m.ContentType, output)
	return m, data, err
}
