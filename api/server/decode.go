package server

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// maxBody is the largest body that is read: ten thousand characters of speech, escaped, and room to spare.
	maxBody = 256 << 10
	// maxPictureRead is how much of a body with a picture is kept: the largest picture that is saved, as base64, its words,
	// and room to spare.
	maxPictureRead = 4 << 20
	// maxPictureBody is the largest body with a picture that is listened to, so that the sender of a picture that is too
	// large is told so.
	maxPictureBody = 16 << 20
	// maxSmallUpload is the size up to which the body of an upload is read like any other.
	maxSmallUpload = 64 << 10
	// bodyTimeout bounds how long a body may take to arrive.
	bodyTimeout = 15 * time.Second
)

// decode puts the body of a native request into the struct that dest points to.
func (s *Server) decode(c *gin.Context, dest any) (*binder, error) {
	if err := checkMediaType(c.Request); err != nil {
		return nil, err
	}
	return s.decodeWith(c, dest, &binder{})
}

// decodeLenient puts the body of an original's request into the struct that dest points to. The original read any body
// as JSON, whatever its type.
func (s *Server) decodeLenient(c *gin.Context, dest any) (*binder, error) {
	return s.decodeWith(c, dest, &binder{lenient: true})
}

func (s *Server) decodeWith(c *gin.Context, dest any, b *binder) (*binder, error) {
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	root, err := parse(body)
	if err != nil {
		return nil, err
	}
	b.object("", root, dest)
	return b, nil
}

// checkMediaType refuses a body that says it is something else than JSON, or packed.
func checkMediaType(r *http.Request) error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return &problem{code: codeMediaType}
	}
	header := r.Header.Get("Content-Type")
	if header == "" {
		return nil
	}
	mediaType, params, err := mime.ParseMediaType(header)
	if err != nil || (mediaType != "application/json" && !strings.HasSuffix(mediaType, "+json")) {
		return &problem{code: codeMediaType}
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &problem{code: codeMediaType}
	}
	return nil
}

// readBody reads a whole body, within the route's limit and bodyTimeout.
func readBody(c *gin.Context) ([]byte, error) {
	control := http.NewResponseController(c.Writer)
	// Without a connection, as in a test, there is nothing to bound.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(c.Request.Body)
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
		if w, ok := c.Writer.(*patientWriter); ok {
			w.readBy = time.Time{}
		}
	}
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The deadline stays, as after every other fault: whoever does not send the body would otherwise be waited for when
		// net/http reads the rest of it.
		c.Header("Connection", "close")
		return nil, &problem{code: codeRequestTimeout}
	}
	return nil, bodyProblem(err, len(body))
}

// bodyProblem returns the problem of a body that could not be read beyond some bytes, its deadline aside.
func bodyProblem(err error, received int) *problem {
	if most := limitOf(err); most > 0 {
		return tooLarge(most)
	}
	// The connection broke, or the chunks of the body are malformed.
	return &problem{code: codeInvalidJSON, args: map[string]string{"offset": strconv.Itoa(received)}}
}

// limitOf returns the limit that a body has exceeded, 0 when it is something else that went wrong.
func limitOf(err error) int64 {
	if exceeded, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return exceeded.Limit
	}
	return 0
}

func tooLarge(most int64) *problem {
	return &problem{code: codeTooLarge, args: map[string]string{"max": strconv.FormatInt(most, 10)}}
}

// invalid returns the problem of faulty fields.
func invalid(fields ...job.FieldError) *problem { return &problem{code: codeInvalid, fields: fields} }

// under puts a prefix in front of the pointers of field errors.
func under(prefix string, fields []job.FieldError) []job.FieldError {
	for i := range fields {
		fields[i].Pointer = prefix + fields[i].Pointer
	}
	return fields
}
