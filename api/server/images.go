package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	// savedQuality is the quality that the original reports for every saved image.
	savedQuality = "HD"
	// heldAtOnce bounds the large bodies in memory; further uploads wait.
	heldAtOnce = 24
	// maxSavesAtOnce bounds how many of them are inspected at once, which copies each several times.
	maxSavesAtOnce = 4
	// maxSaves is how many images one member may save within guessWindow, although only few are kept.
	maxSaves = 100
	// maxSeed is the largest integer that every JSON parser represents exactly.
	maxSeed = 1<<53 - 1
)

// imageHandler serves the saved images of members.
type imageHandler struct {
	gallery  *gallery.Gallery
	jobs     *jobs.Service
	store    *store.Store
	sessions *session.Sessions
	owners   *owners
	uploads  *uploads
	// saves limits how often one member may save an image.
	saves *ratelimit.Limiter
	// saving holds a token for each image that is being inspected.
	saving chan struct{}
	now    func() time.Time
}

// saveRequest is the body of POST /api/images/save: an image, or the index of an image in a job of the caller. The width and
// height that the original's clients send are ignored and taken from the image.
type saveRequest struct {
	Prompt   string `json:"prompt"`
	Data     string `json:"data"`
	Seed     *int64 `json:"seed"`
	Model    string `json:"model"`
	Negative string `json:"negative"`
	JobID    string `json:"job_id"`
	Index    int    `json:"index"`
}

// saveReply is the response of POST /api/images/save.
type saveReply struct {
	Success   bool     `json:"success"`
	ID        string   `json:"id"`
	Prompt    string   `json:"prompt"`
	CreatedAt job.Time `json:"created_at"`
	ExpiresAt job.Time `json:"expires_at"`
	Size      int64    `json:"size"`
	Quality   string   `json:"quality"`
}

// saveImage is POST /api/images/save.
func (h *imageHandler) saveImage(c *gin.Context, m *session.Member) error {
	if err := h.sessions.RequireVerified(m); err != nil {
		return err
	}
	if err := take(h.saves, m.User.Owner()); err != nil {
		return err
	}
	body, done, err := h.uploads.read(c, m.User.Owner())
	if err != nil {
		return err
	}
	defer done()
	if err := acquire(c, h.saving); err != nil {
		return err
	}
	defer func() { <-h.saving }()
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	p, data, err := h.requestedImage(c, body)
	if err != nil {
		return err
	}
	saved, err := h.gallery.Save(ctx, m.User.Owner(), p, data)
	if deleted := h.owners.undoIfDeleted(ctx, m, h.gallery.Erase); deleted != nil {
		return deleted
	}
	if err != nil {
		return imageProblem(err)
	}
	respond.JSON(c, http.StatusCreated, saveReply{true, saved.ID, saved.Prompt, saved.CreatedAt, saved.ExpiresAt, saved.Bytes, savedQuality})
	return nil
}

// acquire sends a token to a semaphore, and waits while the semaphore is full. The caller receives it again.
func acquire(c *gin.Context, tokens chan<- struct{}) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	select {
	case tokens <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to save image: %w", context.Cause(ctx))
	}
}

// requestedImage returns the image that a body selects.
func (h *imageHandler) requestedImage(c *gin.Context, body []byte) (gallery.Image, []byte, error) {
	req, err := decodeSaveRequest(body)
	if err != nil {
		return gallery.Image{}, nil, err
	}
	if req.JobID != "" {
		return h.imageOfJob(c, req.JobID, req.Index)
	}
	data, err := gallery.Decode(req.Data)
	if err != nil {
		return gallery.Image{}, nil, imageProblem(err)
	}
	return gallery.Image{Prompt: req.Prompt, Negative: req.Negative, Seed: req.Seed, Model: req.Model}, data, nil
}

// decodeSaveRequest decodes a body, except the bytes of the image.
func decodeSaveRequest(body []byte) (*saveRequest, error) {
	var req saveRequest
	b, err := bind.LenientBytes(body, &req)
	if err != nil {
		return nil, err
	}
	b.AddMissing(req.check()...)
	if err := b.Err(); err != nil {
		return nil, err
	}
	return &req, nil
}

// check returns the errors of the fields, except those of the bytes of the image.
func (p *saveRequest) check() []job.FieldError {
	var faults []job.FieldError
	switch {
	case p.JobID != "" && p.Data != "":
		return []job.FieldError{{Pointer: "/data", Code: "not_with", Args: map[string]string{"other": "job_id"}}}
	case p.JobID != "":
		return nil
	case p.Data == "":
		faults = append(faults, bind.Required("/data"))
	}
	if strings.TrimSpace(p.Prompt) == "" {
		faults = append(faults, bind.Required("/prompt"))
	}
	for _, field := range []struct {
		pointer, text string
		most          int
	}{{"/prompt", p.Prompt, job.MaxPrompt}, {"/negative", p.Negative, job.MaxPrompt}, {"/model", p.Model, gallery.MaxModel}} {
		if utf8.RuneCountInString(field.text) > field.most {
			faults = append(faults, bind.TooLong(field.pointer, field.most))
		}
	}
	if p.Seed != nil && (*p.Seed < -maxSeed || *p.Seed > maxSeed) {
		faults = append(faults, job.FieldError{
			Pointer: "/seed", Code: "out_of_range", Args: map[string]string{"min": strconv.Itoa(-maxSeed), "max": strconv.Itoa(maxSeed)},
		})
	}
	return faults
}

// imageOfJob returns an image of a job that the caller may read, with its metadata and content.
func (h *imageHandler) imageOfJob(c *gin.Context, id string, index int) (gallery.Image, []byte, error) {
	none := gallery.Image{}
	if !job.ValidToken(id) {
		return none, nil, jobs.ErrNotFound
	}
	withJob(c, id)
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return none, nil, err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := readJob(ctx, h.sessions, h.jobs, caller, id)
	if err != nil {
		return none, nil, err
	}
	if snap.Record == nil {
		return none, nil, problem.Because(problem.CodeNotFinished, "image")
	}
	in, isImage := snap.Spec.Input.(*job.ImageInput)
	m, err := mediaAt(ctx, h.store, snap, strconv.Itoa(index))
	switch {
	case !isImage:
		return none, nil, problem.New(problem.CodeMediaNotFound)
	case err != nil:
		return none, nil, mediaProblem(err)
	case m.Bytes > gallery.MaxBytes:
		return none, nil, imageProblem(gallery.ErrTooLarge)
	}
	reader, err := h.store.OpenMedia(ctx, snap.Spec.Owner, id, m)
	if err != nil {
		return none, nil, mediaProblem(err)
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		return none, nil, fmt.Errorf("read image of job: %w", err)
	}
	p := gallery.Image{
		Prompt: in.Prompt, Negative: in.Negative, Seed: m.Seed, Model: m.Model, Source: id + "." + strconv.Itoa(m.Index),
	}
	if p.Model == "" {
		p.Model = in.Model
	}
	if prompt := snap.Record.Result.Prompt; prompt != nil {
		p.Optimized = prompt.Optimized
	}
	return p, data, nil
}

// imageProblem returns the problem for an image that cannot be saved, or err if it is another error.
func imageProblem(err error) error {
	if errors.Is(err, gallery.ErrTooLarge) {
		return &problem.Problem{Code: problem.CodeImageTooLarge, Args: map[string]string{"max": strconv.Itoa(gallery.MaxBytes)}}
	}
	for fault, reason := range map[error]string{
		gallery.ErrEncoding: "encoding", gallery.ErrType: "type", gallery.ErrDamaged: "damaged", gallery.ErrDimensions: "dimensions",
	} {
		if errors.Is(err, fault) {
			return &problem.Problem{Code: problem.CodeInvalidImage, Reason: reason}
		}
	}
	return err
}
