package bind

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
)

const (
	// MaxBody is the largest body of most routes. Ten thousand characters of speech fit, even if escaped.
	MaxBody = 256 << 10
	// BodyTimeout bounds how long a body may take to arrive.
	BodyTimeout = 15 * time.Second
	// maxAnnounced bounds the memory for a body that has not arrived yet.
	maxAnnounced = 16 << 10
)

// JSON copies the body of a native request into the struct that dest points to. It fails if the body is not a JSON object;
// errors of fields are in the Binder.
func JSON(c *gin.Context, dest any) (*Binder, error) {
	if err := checkMediaType(c.Request); err != nil {
		return nil, err
	}
	return decode(c, dest, &Binder{})
}

// Optional is JSON for a body that may be missing.
func Optional(c *gin.Context, dest any) (*Binder, error) {
	body, err := ReadBody(c)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return &Binder{}, nil
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	return JSON(c, dest)
}

// Lenient copies the body of a request to one of the original's routes into the struct that dest points to. The original
// read any body as JSON, whatever its content type.
func Lenient(c *gin.Context, dest any) (*Binder, error) {
	return decode(c, dest, &Binder{lenient: true})
}

func decode(c *gin.Context, dest any, b *Binder) (*Binder, error) {
	body, err := ReadBody(c)
	if err != nil {
		return nil, err
	}
	return b, b.parse(body, dest)
}

// LenientBytes is Lenient for a body that has already been read.
func LenientBytes(body []byte, dest any) (*Binder, error) {
	b := &Binder{lenient: true}
	return b, b.parse(body, dest)
}

func (b *Binder) parse(body []byte, dest any) error {
	root, err := Parse(body)
	if err != nil {
		return err
	}
	b.Object("", root, dest)
	return nil
}

// checkMediaType rejects a body that is declared as anything but plain JSON.
func checkMediaType(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return problem.New(problem.CodeMediaType)
	}
	header := r.Header.Get("Content-Type")
	if header == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(header)
	if err != nil || (mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json")) {
		return problem.New(problem.CodeMediaType)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problem.New(problem.CodeMediaType)
	}
	return nil
}

// ReadBody returns the whole body. It must arrive within BodyTimeout and not exceed the limit of its route.
func ReadBody(c *gin.Context) ([]byte, error) {
	control := http.NewResponseController(c.Writer)
	// SetReadDeadline fails without a connection, as in tests.
	_ = control.SetReadDeadline(time.Now().Add(BodyTimeout))
	// It grows beyond that only as the body arrives, whatever its announced length.
	buffer := bytes.NewBuffer(make([]byte, 0, min(max(c.Request.ContentLength, 0), maxAnnounced)+bytes.MinRead))
	_, err := buffer.ReadFrom(c.Request.Body)
	body := buffer.Bytes()
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
		respond.SetBodyDeadline(c, time.Time{})
	}
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The deadline stays, as after every error, so that net/http does not wait for the rest of the body.
		c.Header("Connection", "close")
		return nil, problem.New(problem.CodeRequestTimeout)
	}
	return nil, BodyProblem(err, len(body))
}

// BodyProblem returns the problem for a body that failed after the given number of bytes, except for an expired deadline.
func BodyProblem(err error, received int) *problem.Problem {
	if exceeded, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return TooLarge(exceeded.Limit)
	}
	// The connection broke, or the chunks of the body are malformed.
	return &problem.Problem{Code: problem.CodeInvalidJSON, Args: map[string]string{"offset": strconv.Itoa(received)}}
}

// TooLarge returns the problem for a body that exceeds a limit.
func TooLarge(limit int64) *problem.Problem {
	return &problem.Problem{Code: problem.CodeTooLarge, Args: map[string]string{"max": strconv.FormatInt(limit, 10)}}
}
