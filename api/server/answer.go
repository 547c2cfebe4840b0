package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const jsonType = "application/json; charset=utf-8"

// encode returns v as JSON on one line. Signs that mean something in HTML stay as they are: nothing of this is ever
// taken for HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// writeJSON answers with v. An answer that cannot be encoded is a mistake of this program and panics.
func writeJSON(c *gin.Context, status int, contentType string, v any) {
	data, err := encode(v)
	if err != nil {
		panic(err)
	}
	data = append(data, '\n')
	write(c, status, contentType, data)
}

// write answers with data.
func write(c *gin.Context, status int, contentType string, data []byte) {
	c.Header("Content-Type", contentType)
	c.Header("Content-Length", strconv.Itoa(len(data)))
	c.Status(status)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return
	}
	// A caller that does not take its answer is no fault of ours.
	_, _ = c.Writer.Write(data)
}

// vary names a header on which the answer depends.
func vary(c *gin.Context, names ...string) {
	header := c.Writer.Header()
	for _, name := range names {
		if !slices.Contains(strings.Split(header.Get("Vary"), ", "), name) {
			if old := header.Get("Vary"); old != "" {
				name = old + ", " + name
			}
			header.Set("Vary", name)
		}
	}
}
