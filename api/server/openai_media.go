package server

import (
	"bytes"
	"io"
	"net/url"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const openAIMediaPath = "/v1/media/"

// imageURL returns a URL of an image that is valid without a key for an hour: programs written for OpenAI fetch it without one.
func (h *openAIHandler) imageURL(c *gin.Context, spec *job.Spec, m job.Media, output string) string {
	link := openai.Link{Owner: spec.Owner, Job: spec.ID, Index: m.Index, Expires: h.now().Add(openai.LinkAge).Unix()}
	if openai.Convertible(m.ContentType, output) {
		link.Format = output
	}
	u := url.URL{Scheme: "http", Host: c.Request.Host, Path: openAIMediaPath + h.links.Token(link)}
	if h.sessions.Secure(c) {
		u.Scheme = "https"
	}
	return u.String()
}

// getLinkedMedia is GET /v1/media/:token.
func (h *openAIHandler) getLinkedMedia(c *gin.Context) error {
	link, ok := h.links.Open(c.Param("token"), h.now())
	if !ok {
		return problem.New(problem.CodeMediaNotFound)
	}
	transfer, opened, end := lifetime.Opening(c.Request.Context())
	defer end()
	snap, err := h.jobs.Read(transfer, []string{link.Owner}, link.Job)
	if err != nil {
		return err
	}
	m, err := mediaAt(transfer, h.store, snap, strconv.Itoa(link.Index))
	if err != nil {
		return mediaProblem(err)
	}
	// Whoever has the link may show the image on a page of another site.
	serve := func(m job.Media, size int64, content io.ReadSeeker) error {
		mediaHeaders(c, snap.Spec, m)
		c.Header("Cross-Origin-Resource-Policy", "cross-origin")
		c.Header("Cache-Control", "private, max-age=3600, immutable")
		return serveContent(c, size, content)
	}
	if openai.Convertible(m.ContentType, link.Format) {
		converted, data, err := h.readImage(c, snap.Spec, m, link.Format)
		if err != nil {
			return mediaProblem(err)
		}
		converted.SHA256 += "-" + link.Format
		return serve(converted, int64(len(data)), bytes.NewReader(data))
	}
	reader, err := h.store.OpenMedia(transfer, link.Owner, link.Job, m)
	opened()
	if err != nil {
		return mediaProblem(err)
	}
	return serve(m, m.Bytes, reader)
}
