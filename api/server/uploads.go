package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	_ "golang.org/x/image/webp" // Decodes WebP.

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
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	// maxUploadBytes is the size of the largest image that can be uploaded, and maxUploadRead that of a form with one.
	maxUploadBytes = 10 << 20
	maxUploadRead  = maxUploadBytes + 64<<10
	// maxUploadPixels bounds an uploaded image, which is decoded once.
	maxUploadPixels = 24 << 20
	// uploadsHeld bounds the large bodies in memory; further uploads wait.
	uploadsHeld = 4
	// maxUploadsPerHour is how many uploads a member, or all guests of an address, may begin in an hour.
	maxUploadsPerHour = 60
	// retryStoredUpload is when an upload may have expired, in seconds.
	retryStoredUpload = 3600
)

// uploadHandler serves images that are uploaded as reference images.
type uploadHandler struct {
	store    *store.Store
	sessions *session.Sessions
	owners   *owners
	metrics  *telemetry.Metrics
	images   *uploadedImages
	limits   *ratelimit.Limiter
}

// uploadedImages reads and checks uploaded images.
type uploadedImages struct {
	bodies *uploads
	// decoding holds a token while an image is decoded, which takes up to a hundred megabytes.
	decoding chan struct{}
}

func newUploadedImages(grace time.Duration) *uploadedImages {
	return &uploadedImages{bodies: newUploads(grace, maxUploadRead, uploadsHeld, uploadTooLarge()), decoding: make(chan struct{}, 1)}
}

// read returns the body of a request with images. done releases the reservations of the upload; it is nil if err is not nil.
func (u *uploadedImages) read(c *gin.Context, caller session.Caller) (body []byte, done func(), err error) {
	return u.bodies.read(c, uploaderKey(caller))
}

// uploaderKey returns the key under which the uploads of a caller are counted.
func uploaderKey(caller session.Caller) string {
	if caller.Member != nil {
		return caller.Owner
	}
	return caller.Address
}

// check returns the image in data, after decoding it.
func (u *uploadedImages) check(c *gin.Context, data []byte) (*gallery.Found, error) {
	found, err := gallery.InspectUpTo(data, maxUploadBytes)
	switch {
	case errors.Is(err, gallery.ErrTooLarge):
		return nil, uploadTooLarge()
	case err != nil:
		return nil, imageProblem(err)
	case found.Width > maxUploadPixels/found.Height:
		return nil, imageProblem(gallery.ErrDimensions)
	}
	if err := acquire(c, u.decoding); err != nil {
		return nil, err
	}
	defer func() { <-u.decoding }()
	if _, _, err := image.Decode(bytes.NewReader(found.Data)); err != nil {
		return nil, imageProblem(fmt.Errorf("%w: %w", gallery.ErrDamaged, err))
	}
	return found, nil
}

// uploadTooLarge returns the problem of an image that is too large.
func uploadTooLarge() error {
	return &problem.Problem{Code: problem.CodeImageTooLarge, Args: map[string]string{"max": strconv.Itoa(maxUploadBytes)}}
}

// uploadView is an upload as its owner sees it.
type uploadView struct {
	ID string `json:"id"`
	// Reference is what reference_images takes.
	Reference   string   `json:"reference"`
	URL         string   `json:"url"`
	ContentType string   `json:"content_type"`
	Bytes       int64    `json:"bytes"`
	Width       int      `json:"width"`
	Height      int      `json:"height"`
	ExpiresAt   job.Time `json:"expires_at"`
}

func viewUpload(u store.Upload) uploadView {
	return uploadView{
		ID: u.ID, Reference: job.Reference{Upload: u.ID}.String(), URL: "/api/uploads/" + u.ID,
		ContentType: u.ContentType, Bytes: u.Bytes, Width: u.Width, Height: u.Height, ExpiresAt: u.ExpiresAt,
	}
}

// addUpload is POST /api/uploads. The body is the image, or a form with it.
func (h *uploadHandler) addUpload(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	if err := h.sessions.RequireVerified(caller.Member); err != nil {
		return err
	}
	if err := take(h.limits, uploaderKey(caller)); err != nil {
		return err
	}
	body, done, err := h.images.read(c, caller)
	if err != nil {
		return err
	}
	defer done()
	data, err := imageInBody(c.GetHeader("Content-Type"), body)
	if err != nil {
		return err
	}
	found, err := h.images.check(c, data)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	u, err := h.store.PutUpload(ctx, caller.Owner, store.Upload{ContentType: found.ContentType, Width: found.Width, Height: found.Height}, found.Data)
	if m := caller.Member; m != nil {
		if deleted := h.owners.undoIfDeleted(ctx, m, h.owners.eraser.Erase); deleted != nil {
			return deleted
		}
	}
	if errors.Is(err, store.ErrTooManyUploads) {
		tooMany := &problem.Problem{Code: problem.CodeTooManyUploads, Reason: "stored", Args: map[string]string{"max": strconv.Itoa(store.MaxUploads)}}
		return tooMany.RetryIn(retryStoredUpload)
	}
	if err != nil {
		return err
	}
	h.metrics.UploadedBytes.Add(float64(u.Bytes))
	view := viewUpload(u)
	c.Header("Location", view.URL)
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, http.StatusCreated, view)
	return nil
}

// imageInBody returns the image in a body: the file of a form, or the whole body.
func imageInBody(contentType string, body []byte) ([]byte, error) {
	mediaType, params, _ := mime.ParseMediaType(contentType) // Faulty parameters leave no boundary.
	if mediaType != "multipart/form-data" {
		if len(body) == 0 {
			return nil, problem.Because(problem.CodeBodyRequired, "image")
		}
		return body, nil
	}
	return fileInForm(params["boundary"], body)
}

// fileInForm returns the field "file" of a form.
func fileInForm(boundary string, body []byte) ([]byte, error) {
	if boundary == "" {
		return nil, problem.Because(problem.CodeInvalid, "boundary")
	}
	form := multipart.NewReader(bytes.NewReader(body), boundary)
	part, err := form.NextPart()
	for err == nil && part.FormName() != "file" {
		part, err = form.NextPart()
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(part)
	}
	switch {
	// NextPart also fails with io.EOF for a form that is cut off.
	case err != nil && (!errors.Is(err, io.EOF) || !bytes.Contains(body, []byte("--"+boundary+"--"))):
		return nil, problem.Because(problem.CodeInvalid, "form")
	case len(data) == 0:
		return nil, problem.Invalid(bind.Required("/file"))
	}
	return data, nil
}

// listUploads is GET /api/uploads. It lists the uploads of the caller that have not expired, newest first.
func (h *uploadHandler) listUploads(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := namedCaller(c, h.sessions)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	stored, err := h.store.Uploads(ctx, caller.Owner)
	if err != nil {
		return err
	}
	reply := struct {
		Uploads []uploadView `json:"uploads"`
	}{make([]uploadView, len(stored))}
	for i, u := range stored {
		reply.Uploads[i] = viewUpload(u)
	}
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// findUpload returns an upload that the caller may read and its owner. It fails with jobs.ErrNotFound.
func findUpload(ctx context.Context, sessions *session.Sessions, st *store.Store, caller session.Caller, id string) (owner string, u store.Upload, err error) {
	if !job.ValidToken(id) {
		return "", store.Upload{}, jobs.ErrNotFound
	}
	err = sessions.Find(ctx, caller, func(owners []string) error {
		for _, owner = range owners {
			if u, err = st.Upload(ctx, owner, id); !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return jobs.ErrNotFound
	})
	return owner, u, err
}

// requestedUpload returns the upload in the path of a request and its owner, or a problem.
func (h *uploadHandler) requestedUpload(ctx context.Context, c *gin.Context) (owner string, u store.Upload, err error) {
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return "", store.Upload{}, err
	}
	owner, u, err = findUpload(ctx, h.sessions, h.store, caller, c.Param("id"))
	if errors.Is(err, jobs.ErrNotFound) {
		err = uploadNotFound()
	}
	return owner, u, err
}

func uploadNotFound() error { return problem.Because(problem.CodeNotFound, "upload") }

// getUpload is GET /api/uploads/:id.
func (h *uploadHandler) getUpload(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	owner, u, err := h.requestedUpload(ctx, c)
	if err != nil {
		return err
	}
	transfer, opened, end := lifetime.Opening(c.Request.Context())
	defer end()
	opened()
	mediaType := safeType(u.ContentType)
	contentHeaders(c, mediaType, fmt.Sprintf("upload-%.8s.%s", u.ID, extension(mediaType)), u.SHA256)
	// The same image may be uploaded again, so it may live longer.
	c.Header("Cache-Control", "private, max-age="+strconv.Itoa(max(0, int(time.Until(u.ExpiresAt.Time).Seconds()))))
	return serveContent(c, u.Bytes, h.store.OpenUpload(transfer, owner, u))
}

// deleteUpload is DELETE /api/uploads/:id. Jobs that use the upload have copies.
func (h *uploadHandler) deleteUpload(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	owner, u, err := h.requestedUpload(ctx, c)
	if err != nil {
		return err
	}
	found, err := h.store.DeleteUpload(ctx, owner, u.ID)
	switch {
	case err != nil:
		return err
	case !found:
		return uploadNotFound()
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}
