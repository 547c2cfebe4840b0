package respond

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// writeTimeout is how long a client may take to accept one chunk of a response.
	writeTimeout = 10 * time.Second
	// chunkSize is small enough for a slow connection to receive a large image, and for a dead one to be detected soon.
	chunkSize = 32 << 10
)

// deadlineWriter sets a deadline for every write. A single deadline for the response would interrupt streams and large files;
// without any, a client could hold a connection forever.
type deadlineWriter struct {
	gin.ResponseWriter
	control *http.ResponseController
	// bodyDeadline is when the body of the request must have arrived. net/http reads an unread body before it writes the first
	// chunk, whose deadline has to allow for that.
	bodyDeadline time.Time
}

// WithDeadlines sets a deadline for every write of a response.
func WithDeadlines(c *gin.Context) {
	c.Writer = &deadlineWriter{ResponseWriter: c.Writer, control: http.NewResponseController(c.Writer)}
}

// SetBodyDeadline sets the deadline of the request's body, for which writes of the response have to allow. The zero time means
// that the body has arrived.
func SetBodyDeadline(c *gin.Context, deadline time.Time) {
	if w, ok := c.Writer.(*deadlineWriter); ok {
		w.bodyDeadline = deadline
	}
}

// Write writes p in chunks, each with a deadline.
func (w *deadlineWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		from := time.Now()
		if w.bodyDeadline.After(from) {
			from = w.bodyDeadline
		}
		_ = w.control.SetWriteDeadline(from.Add(writeTimeout))
		n, err := w.ResponseWriter.Write(p[written:min(written+chunkSize, len(p))])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// WriteString is Write.
func (w *deadlineWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Unwrap lets http.ResponseController find the connection.
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
