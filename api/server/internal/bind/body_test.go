package bind

import (
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/pipetest"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

func TestBodyTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		codes := make(chan string, 1)
		e := gin.New()
		e.POST("/", func(c *gin.Context) {
			_, err := ReadBody(c)
			p, _ := errors.AsType[*problem.Problem](err)
			codes <- p.Code
		})
		pipetest.Serve(t, e, func(conn net.Conn) {
			_, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
			must(t, err)
			began := time.Now()
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			if code := <-codes; code != "request_timeout" || time.Since(began) != 15*time.Second {
				t.Errorf("code %s after %v", code, time.Since(began))
			}
		})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
