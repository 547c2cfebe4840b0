package server

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// Unexported functions for the tests.
var (
	NewGuest     = session.NewGuest
	EncodeCursor = encodePosition
	DecodeCursor = decodePosition
	SafeType     = safeType
	// EncodeSequences makes cursors of the operator's routes.
	EncodeSequences = encodeSequences
)

// Limits of request bodies and uploads.
const (
	MaxBody        = bind.MaxBody
	MaxImageBody   = maxImageBody
	MaxBatchBody   = maxBatchBody
	MaxHeldUploads = heldAtOnce
	UploadHead     = uploadHead
)

// GuestCookie returns a cookie of a new guest of an installation with the given secret.
func GuestCookie(secret []byte) (*http.Cookie, string) {
	guest := session.NewGuest()
	return &http.Cookie{Name: session.GuestCookie, Value: session.SealGuest(keys.Derive(secret).GuestCookie, guest)}, guest
}

// SealGuest returns the value of a guest cookie.
func SealGuest(secret []byte, guest string) string {
	return session.SealGuest(keys.Derive(secret).GuestCookie, guest)
}

// Prefer parses the Prefer header.
func Prefer(r *http.Request) (waitSeconds int, async bool) {
	p := prefer(r)
	return int(p.wait.Seconds()), p.async
}

// Position is a position in a list of jobs.
type Position = jobs.Position

// UploadReader returns a handler that reads its body as an upload, while this many slots for large uploads are taken, and
// calls report with the code of the error and the number of bytes read.
func UploadReader(taken int, report func(code string, n int)) http.Handler {
	l := newUploads(uploadGrace, maxImageRead, heldAtOnce, imageProblem(gallery.ErrTooLarge))
	for range taken {
		l.holding <- struct{}{}
	}
	e := gin.New()
	e.POST("/", func(c *gin.Context) {
		body, done, err := l.read(c, "u1")
		if err == nil {
			done()
		}
		code, _, _ := IsProblem(err)
		if len(l.holding) != taken {
			code = "slot not released"
		}
		report(code, len(body))
	})
	return e
}

// Streams returns the number of open event streams and of the keys under which they are counted.
func Streams(s *Server) (total, keys int) { return s.handlers.events.limits.streams.Used() }

// Waits returns the number of requests that wait for a job.
func Waits(s *Server) int { total, _ := s.handlers.jobs.limits.waits.Used(); return total }

// Uploads is how many uploads are under way, and of how many members.
func Uploads(s *Server) (total, members int) { return s.handlers.images.uploads.byOwner.Used() }

// DecodeSaveRequest decodes a body of POST /api/images/save, except images of jobs.
func DecodeSaveRequest(body []byte) error {
	request, err := decodeSaveRequest(body)
	if err != nil || request.JobID != "" {
		return err
	}
	data, err := gallery.Decode(request.Data)
	if err == nil {
		_, err = gallery.Inspect(data)
	}
	if err != nil {
		return imageProblem(err)
	}
	return nil
}

// ReturnPath returns the path of this site to return to after a sign-in.
var ReturnPath = ownPath

// SealFlow returns the value of the cookie of a sign-in with Google.
func SealFlow(secret []byte, state string, expires time.Time) string {
	value, err := sealFlow(keys.Derive(secret).GoogleFlow, &flow{State: state, Expires: expires.Unix()})
	if err != nil {
		panic(err)
	}
	return value
}

// OpenFlow returns the state in a value of SealFlow.
func OpenFlow(secret []byte, value string) (string, bool) {
	f := openFlow(keys.Derive(secret).GoogleFlow, value, time.Now())
	if f == nil {
		return "", false
	}
	return f.State, true
}

// DecodeSubmission decodes a body of POST /api/jobs without applying defaults or checking models.
func DecodeSubmission(body []byte) (kind string, in job.Input, deadline *int, faults []job.FieldError, err error) {
	root, err := bind.Parse(body)
	if err != nil {
		return "", nil, nil, nil, err
	}
	var sub submission
	var b bind.Binder
	b.Object("", root, &sub)
	in, kindErr := job.NewInput(job.Kind(sub.Kind))
	if kindErr == nil && sub.Input != nil {
		b.Object("/input", sub.Input, in)
	}
	return sub.Kind, in, sub.Deadline, b.Faults, nil
}

// DecodeGeneration decodes a body of POST /api/generate.
func DecodeGeneration(body []byte) error {
	var g generation
	_, err := bind.LenientBytes(body, &g)
	return err
}

// DecodeFeedback decodes a body of POST /api/feedback.
func DecodeFeedback(body []byte) (category, content string, faults []job.FieldError, err error) {
	var request feedbackRequest
	b, err := bind.LenientBytes(body, &request)
	if err != nil {
		return "", "", nil, err
	}
	request.check(b)
	return request.Category, request.Content, b.Faults, nil
}

// IsProblem returns the code and status of an error that is sent to clients.
func IsProblem(err error) (code string, status int, ok bool) {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return "", 0, false
	}
	return p.Code, p.HTTPStatus(), true
}

// PermissionOf returns what an API key needs on a route, and whether the route is in the table.
func PermissionOf(method, path string) (need string, listed bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	p, ok := routePermissions[method+" "+path]
	return string(p), ok
}

// Permissions returns the routes in the table of permissions.
func Permissions() []string { return slices.Collect(maps.Keys(routePermissions)) }
