package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
)

// discardBody reads and drops the body of a request whose method has no use for one. net/http would do so when the answer
// is written; doing it first lets the client be told why it waited, and lets net/http notice a client that leaves while
// its request is waiting, which begins with the end of the body.
//
// Bodies of POST requests are left to the handler and, where it does not read them, to net/http. Server.ReadTimeout
// bounds both.
func (m *middleware) discardBody(c *gin.Context) {
	r := c.Request
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	respond.SetBodyDeadline(c, time.Now().Add(bind.BodyTimeout))
	// A body announced with Expect: 100-continue is not sent unless it is read. One that is too large is rejected by the
	// route, or not read at all.
	if r.Method == http.MethodPost || r.ContentLength > bind.MaxBody || strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
		return
	}
	switch _, err := io.CopyN(io.Discard, r.Body, bind.MaxBody+1); {
	case err == nil:
		c.Header("Connection", "close")
		m.problems.Write(c, bind.TooLarge(bind.MaxBody))
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.Header("Connection", "close")
		m.problems.Write(c, problem.New(problem.CodeRequestTimeout))
	case !errors.Is(err, io.EOF):
		// The connection broke, or the chunks of the body are malformed. The next request cannot be told from the body.
		c.Header("Connection", "close")
	}
}
