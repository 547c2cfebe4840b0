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

// discardBody reads and discards the body of a request whose method does not use one. net/http would do so only when the
// response is written. Doing it first allows a response that explains the delay, and lets net/http detect a client that
// disconnects while its request waits, which it does only after the end of the body.
//
// Bodies of POST requests, and of PUT requests to a route that accepts them, are left to the handler or, if it does not read them,
// to net/http. Server.ReadTimeout bounds both.
func (m *middleware) discardBody(c *gin.Context) {
	r := c.Request
	if r.ContentLength == 0 || r.Body == nil {
		return
	}
	respond.SetBodyDeadline(c, time.Now().Add(bind.BodyTimeout))
	// A client that sends Expect: 100-continue does not send the body unless it is read. A body that is too large is
	// rejected by the route, or not read at all.
	usesBody := r.Method == http.MethodPost || (r.Method == http.MethodPut && c.FullPath() != "")
	if usesBody || r.ContentLength > bind.MaxBody || strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
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
		// The connection broke, or the chunks of the body are malformed: the start of the next request is unknown.
		c.Header("Connection", "close")
	}
}
