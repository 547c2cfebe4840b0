package server

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// writePatience is how long a caller may take for each piece of an answer.
	writePatience = 10 * time.Second
	// writePiece is the size of a piece, so that a slow line gets the time it needs for a large picture and a dead one
	// is noticed.
	writePiece = 32 << 10
)

// patientWriter gives every write a deadline of its own. One deadline for the whole answer would cut streams and large
// files, and none would let a caller hold a connection for ever.
type patientWriter struct {
	gin.ResponseWriter
	control *http.ResponseController
	// readBy is until when the body of the request may arrive. net/http reads what the handler has left of it before it
	// writes the first piece, whose deadline has to allow for that.
	readBy time.Time
}

func newPatientWriter(w gin.ResponseWriter) *patientWriter {
	return &patientWriter{ResponseWriter: w, control: http.NewResponseController(w)}
}

// Write writes in pieces, each with its deadline.
func (w *patientWriter) Write(p []byte) (int, error) {
	written := 0
	for {
		from := time.Now()
		if w.readBy.After(from) {
			from = w.readBy
		}
		_ = w.control.SetWriteDeadline(from.Add(writePatience))
		n, err := w.ResponseWriter.Write(p[written:min(written+writePiece, len(p))])
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}

// WriteString is Write.
func (w *patientWriter) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Unwrap lets http.ResponseController through.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
