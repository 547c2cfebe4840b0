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
	// savedQuality is what the original calls every picture that it keeps.
	savedQuality = "HD"
	// heldAtOnce bounds the large bodies that are in memory at the same time, so that many members who save at once wait
	// for each other and do not fill it.
	heldAtOnce = 24
	// savesAtOnce bounds those of them that are taken apart at the same time; each becomes several copies.
	savesAtOnce = 4
	// maxSaves is how many images one member may have saved within guessWindow, of which few stay.
	maxSaves = 100
	// maxSeed is the largest number that every JSON reader takes as it stands: a seed is kept as it was sent, or refused.
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
	// saves bounds the images that one member may have saved.
	saves *ratelimit.Limiter
	// saving holds a token for each image that is being inspected.
	saving chan struct{}
	now    func() time.Time
}

// pictureToSave is the body of POST /api/images/save: bytes, or a picture of a job of the caller's. What the original's
// clients say about width and height is not read: the picture itself tells.
type pictureToSave struct {
	Prompt   string `json:"prompt"`
	Data     string `json:"data"`
	Seed     *int64 `json:"seed"`
	Model    string `json:"model"`
	Negative string `json:"negative"`
	JobID    string `json:"job_id"`
	Index    int    `json:"index"`
}

// savedAnswer is what POST /api/images/save answers.
type savedAnswer struct {
	Success   bool     `json:"success"`
	ID        string   `json:"id"`
	Prompt    string   `json:"prompt"`
	CreatedAt job.Time `json:"created_at"`
	ExpiresAt job.Time `json:"expires_at"`
	Size      int64    `json:"size"`
	Quality   string   `json:"quality"`
}

// saveImage is POST /api/images/save.
func (h *imageHandler) saveImage(c *gin.Context) error {
	m, err := h.sessions.Require(c)
	if err != nil {
		return err
	}
	if err := h.sessions.RequireVerified(m); err != nil {
		return err
	}
	if wait := h.saves.Take(m.User.Owner()); wait > 0 {
		return problem.TooManyAttempts(wait)
	}
	body, done, err := h.uploads.read(c, m.User.Owner())
	if err != nil {
		return err
	}
	defer done()
	if err := place(c, h.saving); err != nil {
		return err
	}
	defer func() { <-h.saving }()
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	p, data, err := h.picture(c, body)
	if err != nil {
		return err
	}
	saved, err := h.gallery.Save(ctx, m.User.Owner(), p, data)
	if gone := h.owners.mustStillExist(ctx, m, h.gallery.Erase); gone != nil {
		return gone
	}
	if err != nil {
		return pictureProblem(err)
	}
	respond.JSON(c, http.StatusCreated, savedAnswer{true, saved.ID, saved.Prompt, saved.CreatedAt, saved.ExpiresAt, saved.Bytes, savedQuality})
	return nil
}

// place waits for a place among those who save. Who has got one gives it back.
func place(c *gin.Context, places chan<- struct{}) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to save a picture: %w", context.Cause(ctx))
	}
}

// picture reads from a body which picture is to be saved.
func (h *imageHandler) picture(c *gin.Context, body []byte) (gallery.Picture, []byte, error) {
	ask, err := decodePicture(body)
	if err != nil {
		return gallery.Picture{}, nil, err
	}
	if ask.JobID != "" {
		return h.pictureOfJob(c, ask.JobID, ask.Index)
	}
	data, err := gallery.Decode(ask.Data)
	if err != nil {
		return gallery.Picture{}, nil, pictureProblem(err)
	}
	return gallery.Picture{Prompt: ask.Prompt, Negative: ask.Negative, Seed: ask.Seed, Model: ask.Model}, data, nil
}

// decodePicture reads a body, the bytes of the picture aside.
func decodePicture(body []byte) (*pictureToSave, error) {
	var ask pictureToSave
	b, err := bind.LenientBytes(body, &ask)
	if err != nil {
		return nil, err
	}
	b.AddMissing(ask.check()...)
	if err := b.Err(); err != nil {
		return nil, err
	}
	return &ask, nil
}

// check returns what is wrong with a picture as it came in, its bytes aside.
func (p *pictureToSave) check() []job.FieldError {
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

// pictureOfJob returns a picture of a job that the caller may read, with what is known of how it was made.
func (h *imageHandler) pictureOfJob(c *gin.Context, id string, index int) (gallery.Picture, []byte, error) {
	none := gallery.Picture{}
	if !job.ValidToken(id) {
		return none, nil, jobs.ErrNotFound
	}
	withJob(c, id)
	who, err := h.sessions.Caller(c)
	if err != nil {
		return none, nil, err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := h.jobs.Read(ctx, who.Owners, id)
	if err != nil {
		return none, nil, err
	}
	if snap.Record == nil {
		return none, nil, problem.Because(problem.CodeNotFinished, "picture")
	}
	in, isPicture := snap.Spec.Input.(*job.ImageInput)
	m, err := mediaAt(ctx, h.store, snap, strconv.Itoa(index))
	switch {
	case !isPicture, errors.Is(err, store.ErrNotFound):
		return none, nil, problem.New(problem.CodeMediaNotFound)
	case err != nil:
		return none, nil, err
	case m.Bytes > gallery.MaxBytes:
		return none, nil, pictureProblem(gallery.ErrTooLarge)
	}
	reader, err := h.store.OpenMedia(ctx, snap.Spec.Owner, id, m.Index)
	if errors.Is(err, store.ErrNotFound) {
		return none, nil, problem.New(problem.CodeMediaNotFound)
	}
	if err != nil {
		return none, nil, err
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		return none, nil, fmt.Errorf("read the picture of a job: %w", err)
	}
	p := gallery.Picture{
		Prompt: in.Prompt, Negative: in.Negative, Seed: m.Seed, Model: m.Model, Source: id + "." + strconv.Itoa(m.Index),
	}
	if p.Model == "" {
		p.Model = in.Model
	}
	if made := snap.Record.Result.Prompt; made != nil {
		p.Optimized = made.Optimized
	}
	return p, data, nil
}

// pictureProblem tells the caller why a picture is not kept.
func pictureProblem(err error) error {
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
