package server

import (
	"errors"
	"net/http"
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

// What tests look at from outside.
var (
	NewGuest     = session.NewGuest
	EncodeCursor = encodePosition
	DecodeCursor = decodePosition
	SafeType     = safeType
	// EncodeSequences makes cursors of the operator's routes.
	EncodeSequences = encodeSequences
)

// The largest bodies.
const (
	MaxBody        = bind.MaxBody
	MaxImageBody   = maxImageBody
	MaxHeldUploads = heldAtOnce
	UploadHead     = uploadHead
)

// GuestCookie returns a cookie of a new guest of an installation with the given secret.
func GuestCookie(secret []byte) (*http.Cookie, string) {
	guest := session.NewGuest()
	return &http.Cookie{Name: session.GuestCookie, Value: session.SealGuest(keys.Derive(secret).GuestCookie, guest)}, guest
}

// SealGuest writes a cookie's value.
func SealGuest(secret []byte, guest string) string {
	return session.SealGuest(keys.Derive(secret).GuestCookie, guest)
}

// Prefer reads the Prefer header.
func Prefer(r *http.Request) (waitSeconds int, async bool) {
	p := prefer(r)
	return int(p.wait.Seconds()), p.async
}

// Position is a place in a list.
type Position = jobs.Position

// UploadReader serves a route that reads its body as an upload does, while so many of the places for large ones are
// taken, and tells report the code of what went wrong and how many bytes came.
func UploadReader(taken int, report func(code string, n int)) http.Handler {
	l := newUploads(uploadGrace)
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
			code = "a place was not given back"
		}
		report(code, len(body))
	})
	return e
}

// Streams is how many event streams are open, and under how many keys they are counted.
func Streams(s *Server) (total, keys int) { return s.handlers.events.limits.streams.Used() }

// Waits is how many requests wait for a job.
func Waits(s *Server) int { total, _ := s.handlers.jobs.limits.waits.Used(); return total }

// SetUploadGrace sets how long an upload may take before its rate counts.
func SetUploadGrace(d *Deps, grace time.Duration) { d.uploadGrace = grace }

// Uploads is how many uploads are under way, and of how many members.
func Uploads(s *Server) (total, members int) { return s.handlers.images.uploads.byOwner.Used() }

// DecodeSaveRequest reads a body as POST /api/images/save does, jobs aside.
func DecodeSaveRequest(body []byte) error {
	ask, err := decodeSaveRequest(body)
	if err != nil || ask.JobID != "" {
		return err
	}
	data, err := gallery.Decode(ask.Data)
	if err == nil {
		_, err = gallery.Inspect(data)
	}
	if err != nil {
		return imageProblem(err)
	}
	return nil
}

// ReturnPath is what is made of a path to return to.
var ReturnPath = ownPath

// SealFlow returns the cookie of an attempt to sign in with Google.
func SealFlow(secret []byte, state string, expires time.Time) string {
	value, err := sealFlow(keys.Derive(secret).GoogleFlow, &flow{State: state, Expires: expires.Unix()})
	if err != nil {
		panic(err)
	}
	return value
}

// OpenFlow returns the state that such a cookie holds.
func OpenFlow(secret []byte, value string) (string, bool) {
	f := openFlow(keys.Derive(secret).GoogleFlow, value, time.Now())
	if f == nil {
		return "", false
	}
	return f.State, true
}

// DecodeSubmission reads a body as POST /api/jobs does, defaults and models aside.
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

// DecodeGeneration reads a body as POST /api/generate does.
func DecodeGeneration(body []byte) error {
	var g generation
	_, err := bind.LenientBytes(body, &g)
	return err
}

// DecodeFeedback reads a body as POST /api/feedback does.
func DecodeFeedback(body []byte) (category, content string, faults []job.FieldError, err error) {
	var ask feedbackRequest
	b, err := bind.LenientBytes(body, &ask)
	if err != nil {
		return "", "", nil, err
	}
	ask.check(b)
	return ask.Category, ask.Content, b.Faults, nil
}

// IsProblem returns the code and status of an error that a client would be sent.
func IsProblem(err error) (code string, status int, ok bool) {
	p, ok := errors.AsType[*problem.Problem](err)
	if !ok {
		return "", 0, false
	}
	return p.Code, p.HTTPStatus(), true
}
