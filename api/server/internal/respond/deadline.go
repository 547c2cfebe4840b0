package respond

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// writeTimeout is how long a client may take to accept one chunk of a response.
	writeTimeout = 10 * time.Second
	// chunkSize is small enough that a slow connection gets the time that it needs for a large image, and a dead one is
	// noticed soon.
	chunkSize = 32 << 10
)

// deadlineWriter gives every write a deadline of its own. One deadline for the whole response would cut off streams and
// large files; without any a client could hold a connection for ever.
type deadlineWriter struct {
	gin.ResponseWriter
	control *http.ResponseController
	// bodyDeadline is the time by which the body of the request must have arrived. net/http reads what the handler has left
	// unread before it writes the first chunk, whose deadline has to allow for that.
	bodyDeadline time.Time
}

// WithDeadlines gives every write of a request's response a deadline.
func WithDeadlines(c *gin.Context) {
	c.Writer = &deadlineWriter{ResponseWriter: c.Writer, control: http.NewResponseController(c.Writer)}
}

// SetBodyDeadline tells the writer of a response by when the body of its request arrives; the zero time means that it has
// arrived.
func SetBodyDeadline(c *gin.Context, deadline time.Time) {
	if w, ok := c.Writer.(*deadlineWriter); ok {
		w.bodyDeadline = deadline
	}
}

// Write writes p in chunks, each with its deadline.
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
