// Package ceiling serves what any service on Gin can reach at best: constant responses and idle event streams. The benchmark
// measures it with the same clients as the API.
package ceiling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

const (
	// maxBytes bounds the size of a response.
	maxBytes    = 16 << 20
	stopTimeout = 5 * time.Second
	readTimeout = 10 * time.Second
)

// accepted is about as long as the API's response to a submission.
const accepted = `{"id":"019a0000-0000-7000-8000-000000000000","kind":"image","status":"queued","created_at":"2026-01-01T00:00:00.000Z",` +
	`"deadline":"2026-01-01T01:00:00.000Z","attempt":0,"max_attempts":8,"input":{"prompt":"a","model":"flux","width":64,"height":64,"seed":1,"n":1},` +
	`"links":{"self":"/api/jobs/019a0000-0000-7000-8000-000000000000","events":"/api/jobs/019a0000-0000-7000-8000-000000000000/events",` +
	`"cancel":"/api/jobs/019a0000-0000-7000-8000-000000000000/cancel"}}`

// Serve serves on addr until ctx ends. It fails when it cannot listen.
//
//   - POST /accept reads the body and answers a constant 202.
//   - GET /bytes/N answers N bytes.
//   - GET /events streams an event at once, and another one after the next POST /end.
func Serve(ctx context.Context, addr string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handler(), ReadHeaderTimeout: readTimeout}
	defer context.AfterFunc(ctx, func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if server.Shutdown(bounded) != nil {
			_ = server.Close()
		}
	})()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func handler() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	ends := &broadcast{ended: make(chan struct{})}
	payload := make([]byte, maxBytes)
	engine.GET("/readyz", func(c *gin.Context) { c.Status(http.StatusOK) })
	engine.POST("/accept", func(c *gin.Context) {
		if _, err := io.Copy(io.Discard, c.Request.Body); err != nil {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Data(http.StatusAccepted, "application/json", []byte(accepted))
	})
	engine.GET("/bytes/:n", func(c *gin.Context) {
		n, err := strconv.Atoi(c.Param("n"))
		if err != nil || n < 0 || n > maxBytes {
			c.Status(http.StatusBadRequest)
			return
		}
		c.Data(http.StatusOK, "application/octet-stream", payload[:n])
	})
	engine.GET("/events", func(c *gin.Context) { stream(c, ends.next()) })
	engine.POST("/end", func(c *gin.Context) {
		ends.end()
		c.Status(http.StatusNoContent)
	})
	return engine
}

// stream sends an event at once and another one when ended is closed.
func stream(c *gin.Context, ended <-chan struct{}) {
	c.Header("Content-Type", "text/event-stream")
	for _, status := range []string{"running", "succeeded"} {
		_, _ = fmt.Fprintf(c.Writer, "event: %s\ndata: %s\n\n", status, accepted)
		c.Writer.Flush()
		if status == "succeeded" {
			return
		}
		select {
		case <-ended:
		case <-c.Request.Context().Done():
			return
		}
	}
}

// broadcast wakes all that wait.
type broadcast struct {
	mu    sync.Mutex
	ended chan struct{}
}

func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

func (b *broadcast) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ended)
	b.ended = make(chan struct{})
}
