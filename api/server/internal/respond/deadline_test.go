package respond

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/pipetest"
)

// handler returns an engine that calls h with a writer whose writes have deadlines.
func handler(h func(w http.ResponseWriter)) http.Handler {
	e := gin.New()
	e.GET("/", func(c *gin.Context) {
		WithDeadlines(c)
		h(c.Writer)
	})
	return e
}

func TestWriteTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		h := handler(func(w http.ResponseWriter) {
			_, err := w.Write(make([]byte, 1<<20))
			ended <- err
		})
		pipetest.Serve(t, h, func(conn net.Conn) {
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			must(t, err)
			began := time.Now()
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("write error %v", err)
			}
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("write failed after %v", took)
			}
		})
	})
}

func TestSlowClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 512 << 10
		h := handler(func(w http.ResponseWriter) {
			if n, err := w.Write(make([]byte, size)); err != nil || n != size {
				t.Errorf("wrote %d: %v", n, err)
			}
		})
		pipetest.Serve(t, h, func(conn net.Conn) {
			began := time.Now()
			_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			must(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(&slow{conn}), nil)
			must(t, err)
			n, err := io.Copy(io.Discard, resp.Body)
			if err != nil || n != size {
				t.Errorf("read %d: %v", n, err)
			}
			_ = resp.Body.Close()
			if took := time.Since(began); took < time.Minute {
				t.Errorf("took only %v: the client was not slow", took)
			}
		})
	})
}

// slow reads up to 8 KiB per second.
type slow struct{ io.Reader }

func (s *slow) Read(p []byte) (int, error) {
	<-time.After(time.Second)
	return s.Reader.Read(p[:min(len(p), 8<<10)])
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
