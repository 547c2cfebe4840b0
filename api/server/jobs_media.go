package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/thumbnail"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// getMedia is GET /api/jobs/:id/media/:index. It responds with one image or audio file. Images of a set are available one by
// one, before the job has ended. With `w` it responds with a thumbnail of the image.
func (h *jobHandler) getMedia(c *gin.Context) error {
	respond.Vary(c, "Cookie")
	id, caller, err := jobAndCaller(c, h.sessions)
	if err != nil {
		return err
	}
	width, _ := strconv.Atoi(c.Query("w")) // checkQuery has checked it; without it the width is 0.
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := readJob(ctx, h.sessions, h.jobs, caller, id)
	if err != nil {
		return err
	}
	m, err := mediaAt(ctx, h.store, snap, c.Param("index"))
	if err != nil {
		return mediaProblem(err)
	}
	if width > 0 && strings.HasPrefix(m.ContentType, "image/") {
		t, err := h.thumbnail(ctx, snap.Spec, m, width)
		switch {
		case err == nil:
			m.ContentType = t.ContentType
			mediaHeaders(c, snap.Spec, m)
			c.Header("ETag", fmt.Sprintf(`"%s-%d"`, m.SHA256, width))
			return serveContent(c, int64(len(t.Data)), bytes.NewReader(t.Data))
		case !errors.Is(err, thumbnail.ErrOriginal):
			return mediaProblem(err)
		}
	}
	transfer, opened, end := lifetime.Opening(c.Request.Context())
	defer end()
	reader, err := h.store.OpenMedia(transfer, snap.Spec.Owner, id, m)
	opened()
	if err != nil {
		return mediaProblem(err)
	}
	mediaHeaders(c, snap.Spec, m)
	return serveContent(c, m.Bytes, reader)
}

// thumbnailWidths are the values of `w`.
var thumbnailWidths = []string{"160", "320", "480", "640", "960"}

// thumbnailCache is the memory for thumbnails, in bytes.
const thumbnailCache = 16 << 20

// thumbnail returns a thumbnail of an image, or thumbnail.ErrOriginal.
func (h *jobHandler) thumbnail(ctx context.Context, spec *job.Spec, m job.Media, width int) (*thumbnail.Thumbnail, error) {
	if m.Width > 0 && m.Width <= width {
		return nil, thumbnail.ErrOriginal
	}
	key := fmt.Sprintf("%s-%d", m.SHA256, width)
	return h.thumbnails.Get(ctx, key, width, func(ctx context.Context) (io.Reader, error) {
		return h.store.OpenMedia(ctx, spec.Owner, spec.ID, m)
	})
}

// mediaAt returns the media at an index, which must be in canonical form, or store.ErrNotFound. Media of a running job are
// final; they cost one request to NATS.
func mediaAt(ctx context.Context, st *store.Store, snap *job.Snapshot, text string) (job.Media, error) {
	index, err := strconv.Atoi(text)
	if err != nil || strconv.Itoa(index) != text || index < 0 {
		return job.Media{}, store.ErrNotFound
	}
	if snap.Record == nil {
		if in, ok := snap.Spec.Input.(*job.ImageInput); !ok || index >= in.Count() {
			return job.Media{}, store.ErrNotFound
		}
		return st.MediaInfo(ctx, snap.Spec.Owner, snap.Spec.ID, index)
	}
	if snap.Record.Result != nil {
		for _, m := range snap.Record.Result.Media {
			if m.Index == index {
				return m, nil
			}
		}
	}
	return job.Media{}, store.ErrNotFound
}

// mediaProblem returns the problem for missing media, or err if it is another error.
func mediaProblem(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return problem.New(problem.CodeMediaNotFound)
	}
	return err
}

const unknownType = "application/octet-stream"

// safeType returns a content type that browsers show or play but never execute.
func safeType(contentType string) string {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return unknownType
	}
	switch mediaType {
	case "image/jpeg", "image/png", "image/webp", "image/gif":
		return mediaType
	}
	if strings.HasPrefix(mediaType, "audio/") {
		return mediaType
	}
	return unknownType
}

// extension returns the file name extension for a result of safeType.
func extension(mediaType string) string {
	switch mediaType {
	case "image/jpeg":
		return "jpg"
	case "audio/mpeg":
		return "mp3"
	case "audio/wav", "audio/x-wav", "audio/wave":
		return "wav"
	case unknownType:
		return "bin"
	}
	_, subtype, _ := strings.Cut(mediaType, "/")
	return strings.TrimPrefix(subtype, "x-")
}

func mediaHeaders(c *gin.Context, spec *job.Spec, m job.Media) {
	mediaType := safeType(m.ContentType)
	contentHeaders(c, mediaType, fmt.Sprintf("%s-%.8s-%d.%s", spec.Kind, spec.ID, m.Index, extension(mediaType)), m.SHA256)
}

// contentHeaders sets the headers of stored content, which never changes.
func contentHeaders(c *gin.Context, mediaType, name, sha256 string) {
	disposition := "inline"
	if slices.Contains(choices["download"], c.Query("download")) { // The routes of the OpenAI API ignore other values.
		disposition = "attachment"
	}
	c.Header("Content-Type", mediaType)
	c.Header("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": name}))
	c.Header("Content-Security-Policy", "sandbox; default-src 'none'")
	c.Header("Cross-Origin-Resource-Policy", "same-origin")
	c.Header("Cache-Control", "private, max-age=86400, immutable")
	c.Header("ETag", `"`+sha256+`"`)
}
