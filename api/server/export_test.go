package server

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// What tests look at from outside.
var (
	NewGuest     = newGuest
	EncodeCursor = encodeCursor
	DecodeCursor = decodeCursor
	Network      = network
	SafeType     = safeType
	Guesser      = guesser
	// EncodeSequences makes cursors of the operator's routes.
	EncodeSequences = encodeSequences
	DecodeSequences = decodeSequences
)

// The largest bodies.
const (
	MaxBody        = maxBody
	MaxPictureBody = maxPictureBody
	HeldAtOnce     = heldAtOnce
	UploadHead     = uploadHead
)

// MaxGuessers bounds how many addresses are remembered.
const MaxGuessers = maxGuessers

// Guesses counts wrong keys.
type Guesses struct{ *guesses }

// NewGuesses returns a count that begins at nothing.
func NewGuesses(now func() time.Time) Guesses { return Guesses{newGuesses(now)} }

// NewGrowing returns a count whose windows grow.
func NewGrowing(now func() time.Time, most int, window, longest time.Duration) Guesses {
	return Guesses{newGrowing(now, most, window, longest)}
}

// Add counts a wrong key.
func (g Guesses) Add(address string) time.Duration { return g.add(address) }

// Wait tells for how long an address has to wait.
func (g Guesses) Wait(address string) time.Duration { return g.wait(address) }

// Len tells how many addresses are remembered.
func (g Guesses) Len() int { return len(g.by) }

// GuestCookie returns a cookie of a new guest of an installation with the given secret.
func GuestCookie(secret []byte) (*http.Cookie, string) {
	guest, err := newGuest()
	if err != nil {
		panic(err)
	}
	return &http.Cookie{Name: guestCookie, Value: sealGuest(deriveKeys(secret).guestCookie, guest)}, guest
}

// OpenGuest reads a cookie's value.
func OpenGuest(secret []byte, value string) (string, bool) {
	return openGuest(deriveKeys(secret).guestCookie, value)
}

// SealGuest writes a cookie's value.
func SealGuest(secret []byte, guest string) string {
	return sealGuest(deriveKeys(secret).guestCookie, guest)
}

// Prefer reads the Prefer header.
func Prefer(r *http.Request) (waitSeconds int, async bool) {
	p := prefer(r)
	return int(p.wait.Seconds()), p.async
}

// DecodeSubmission reads a body as POST /api/jobs does, defaults and models aside.
func DecodeSubmission(body []byte) (kind string, in job.Input, deadline *int, faults []job.FieldError, err error) {
	root, err := parse(body)
	if err != nil {
		return "", nil, nil, nil, err
	}
	var sub submission
	b := &binder{}
	b.object("", root, &sub)
	in, kindErr := job.NewInput(job.Kind(sub.Kind))
	if kindErr == nil && sub.Input != nil {
		b.object("/input", sub.Input, in)
	}
	return sub.Kind, in, sub.Deadline, b.faults, nil
}

// DecodeGeneration reads a body as POST /api/generate does.
func DecodeGeneration(body []byte) error {
	root, err := parse(body)
	if err != nil {
		return err
	}
	var g generation
	b := &binder{lenient: true}
	b.object("", root, &g)
	return nil
}

// DecodeFeedback reads a body as POST /api/feedback does.
func DecodeFeedback(body []byte) (category, content string, faults []job.FieldError, err error) {
	root, err := parse(body)
	if err != nil {
		return "", "", nil, err
	}
	b := &binder{lenient: true}
	var ask feedbackRequest
	b.object("", root, &ask)
	ask.check(b)
	return ask.Category, ask.Content, b.faults, nil
}

// IsProblem reports the code and status of an error that a caller would be told.
func IsProblem(err error) (code string, status int, ok bool) {
	p, ok := err.(*problem) //nolint:errorlint // The decoder wraps nothing.
	if !ok {
		return "", 0, false
	}
	return p.code, faultOf(p).status, true
}

// Codes returns every code of the table, with its sentence in a language.
func Codes(lang job.Lang) map[string]string {
	sentences := map[string]string{}
	for code, f := range faults {
		sentences[code] = f.sentence.in(lang)
	}
	for code, w := range reasons {
		sentences[code] = w.in(lang)
	}
	return sentences
}

// Statuses returns the status of every code of the table.
func Statuses() map[string]int {
	statuses := map[string]int{}
	for code, f := range faults {
		statuses[code] = f.status
	}
	return statuses
}

// Title returns the name of a status.
func Title(status int, lang job.Lang) string { return title(status, lang) }

// Mark is a place in a list.
type Mark = jobs.Mark

// Patient serves a handler whose writes have deadlines.
func Patient(h func(w http.ResponseWriter)) http.Handler {
	e := gin.New()
	e.GET("/", func(c *gin.Context) { h(newPatientWriter(c.Writer)) })
	return e
}

// BodyReader serves a route that reads its body and tells report the code of what went wrong.
func BodyReader(report func(code string)) http.Handler {
	e := gin.New()
	e.POST("/", func(c *gin.Context) {
		_, err := readBody(c)
		code, _, _ := IsProblem(err)
		report(code)
	})
	return e
}

// UploadReader serves a route that reads its body as an upload does, while so many of the places for large ones are
// taken, and tells report the code of what went wrong and how many bytes came.
func UploadReader(taken int, report func(code string, n int)) http.Handler {
	s := &Server{holding: make(chan struct{}, heldAtOnce), deps: Deps{UploadGrace: uploadGrace}}
	for range taken {
		s.holding <- struct{}{}
	}
	e := gin.New()
	e.POST("/", func(c *gin.Context) {
		body, done, err := s.readUpload(c, "u1")
		if err == nil {
			done()
		}
		code, _, _ := IsProblem(err)
		if len(s.holding) != taken {
			code = "a place was not given back"
		}
		report(code, len(body))
	})
	return e
}

// Streams is how many event streams are open, and under how many keys they are counted.
func Streams(s *Server) (total, keys int) { return s.streams.used() }

// Waits is how many requests wait for a job.
func Waits(s *Server) int { total, _ := s.waits.used(); return total }

// Uploads is how many uploads are under way, and of how many members.
func Uploads(s *Server) (total, members int) { return s.uploads.used() }

// Household is the part of an address by which guests are counted.
var Household = household

// DecodePicture reads a body as POST /api/images/save does, jobs aside.
func DecodePicture(body []byte) error {
	ask, err := decodePicture(body)
	if err != nil || ask.JobID != "" {
		return err
	}
	data, err := gallery.Decode(ask.Data)
	if err == nil {
		_, err = gallery.Inspect(data)
	}
	if err != nil {
		return pictureProblem(err)
	}
	return nil
}

// OwnPath is what is made of a path to return to.
var OwnPath = ownPath

// SealFlow returns the cookie of an attempt to sign in with Google.
func SealFlow(secret []byte, state string, expires time.Time) string {
	value, err := sealFlow(deriveKeys(secret).googleFlow, &flow{State: state, Expires: expires.Unix()})
	if err != nil {
		panic(err)
	}
	return value
}

// OpenFlow returns the state that such a cookie holds.
func OpenFlow(secret []byte, value string) (string, bool) {
	f := openFlow(deriveKeys(secret).googleFlow, value, time.Now())
	if f == nil {
		return "", false
	}
	return f.State, true
}

// Explain returns the code and the status of an error that occurs while the process is starting.
func Explain(d *Door, err error) (code string, status int) {
	p := d.starting.explain(context.Background(), err)
	return p.code, faultOf(p).status
}

// ProblemCodes returns every code in the table of problems.
func ProblemCodes() []string { return slices.Sorted(maps.Keys(faults)) }
