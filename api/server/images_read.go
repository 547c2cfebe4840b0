package server

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// savedView is a saved image in a list.
type savedView struct {
	ID          string   `json:"id"`
	Prompt      string   `json:"prompt"`
	Optimized   string   `json:"optimized_prompt,omitempty"`
	Width       int      `json:"width"`
	Height      int      `json:"height"`
	Seed        *int64   `json:"seed"`
	Model       string   `json:"model"`
	ContentType string   `json:"content_type"`
	CreatedAt   job.Time `json:"created_at"`
	ExpiresAt   job.Time `json:"expires_at"`
	Size        int64    `json:"size"`
	Quality     string   `json:"quality"`
	JobID       string   `json:"job_id,omitempty"`
	Index       *int     `json:"index,omitempty"`
}

func newSavedView(p gallery.Image) savedView {
	v := savedView{
		ID: p.ID, Prompt: p.Prompt, Optimized: p.Optimized, Width: p.Width, Height: p.Height, Seed: p.Seed, Model: p.Model, ContentType: p.ContentType,
		CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt, Size: p.Bytes, Quality: savedQuality,
	}
	if id, index, found := strings.Cut(p.Source, "."); found {
		if n, err := strconv.Atoi(index); err == nil {
			v.JobID, v.Index = id, &n
		}
	}
	return v
}

func newSavedViews(list []gallery.Image) []savedView {
	views := make([]savedView, len(list))
	for i, p := range list {
		views[i] = newSavedView(p)
	}
	return views
}

// listImages is GET /api/images/daily. It lists the images that the caller has saved today, and those of the day before that
// have not expired.
func (h *imageHandler) listImages(c *gin.Context, m *session.Member) error {
	today, earlier, err := h.saved(c, m)
	if err != nil {
		return err
	}
	respond.JSON(c, http.StatusOK, struct {
		Success  bool        `json:"success"`
		Images   []savedView `json:"images"`
		Earlier  []savedView `json:"earlier"`
		Count    int         `json:"count"`
		MaxCount int         `json:"maxCount"`
	}{true, newSavedViews(today), newSavedViews(earlier), len(today), gallery.MaxImages})
	return nil
}

// imageStats is GET /api/images/stats.
func (h *imageHandler) imageStats(c *gin.Context, m *session.Member) error {
	today, _, err := h.saved(c, m)
	if err != nil {
		return err
	}
	size := int64(0)
	for _, p := range today {
		size += p.Bytes
	}
	type stats struct {
		Total     int    `json:"totalImages"`
		Max       int    `json:"maxImages"`
		Remaining int    `json:"remainingImages"`
		Size      int64  `json:"totalSize"`
		MaxSize   int64  `json:"maxSize"`
		Today     string `json:"today"`
	}
	respond.JSON(c, http.StatusOK, struct {
		Success bool  `json:"success"`
		Stats   stats `json:"stats"`
	}{true, stats{
		len(today), gallery.MaxImages, gallery.MaxImages - len(today), size, gallery.MaxImages * gallery.MaxBytes, h.gallery.Today(),
	}})
	return nil
}

func (h *imageHandler) saved(c *gin.Context, m *session.Member) (today, earlier []gallery.Image, err error) {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	return h.gallery.List(ctx, m.User.Owner())
}

// getImage is GET /api/images/:id. It responds with an image as JSON, its bytes as base64.
func (h *imageHandler) getImage(c *gin.Context, m *session.Member) error {
	p, data, err := h.openImage(c, m)
	if err != nil {
		return err
	}
	respond.JSON(c, http.StatusOK, struct {
		savedView
		Negative string `json:"negative"`
		Data     string `json:"data"`
	}{newSavedView(p), p.Negative, base64.StdEncoding.EncodeToString(data)})
	return nil
}

// downloadImage is GET /api/images/download/:id. It responds with an image as a file.
func (h *imageHandler) downloadImage(c *gin.Context, m *session.Member) error {
	p, data, err := h.openImage(c, m)
	if err != nil {
		return err
	}
	mediaType := safeType(p.ContentType)
	c.Header("Content-Type", mediaType)
	c.Header("Content-Disposition", fmt.Sprintf(`attachment; filename="image_%s.%s"`, p.ID, extension(mediaType)))
	c.Header("Content-Security-Policy", "sandbox; default-src 'none'")
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
	c.Header("Cache-Control", fmt.Sprintf("private, max-age=%d, immutable", max(0, int(p.ExpiresAt.Sub(h.now()).Seconds()))))
	c.Header("ETag", `"`+p.SHA256+`"`)
	return serveContent(c, int64(len(data)), bytes.NewReader(data))
}

func (h *imageHandler) openImage(c *gin.Context, m *session.Member) (gallery.Image, []byte, error) {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	return h.gallery.Open(ctx, m.User.Owner(), c.Param("id"))
}

// deleteImage is DELETE /api/images/:id. A missing image returns 400, as in the original.
func (h *imageHandler) deleteImage(c *gin.Context, m *session.Member) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	err := h.gallery.Remove(ctx, m.User.Owner(), c.Param("id"))
	if errors.Is(err, gallery.ErrNotFound) {
		return &problem.Problem{Code: problem.CodeImageNotFound, Status: http.StatusBadRequest}
	}
	if err != nil {
		return err
	}
	respondDone(c, http.StatusOK, "image_deleted", accountReply{})
	return nil
}
