// Package respond writes responses and sets a deadline for every write.
package respond

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

// Encode returns v as JSON on one line. Characters with a meaning in HTML are not escaped: no response is interpreted as
// HTML.
func Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode response: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// JSON responds with v as JSON. A value that cannot be encoded is a bug of this program and panics.
func JSON(c *gin.Context, status int, v any) { JSONAs(c, status, jsonType, v) }

// JSONAs is JSON with another content type.
func JSONAs(c *gin.Context, status int, contentType string, v any) {
	data, err := Encode(v)
	if err != nil {
		panic(err)
	}
	Bytes(c, status, contentType, append(data, '\n'))
}

// Bytes responds with data, or only with its headers to a HEAD request.
func Bytes(c *gin.Context, status int, contentType string, data []byte) {
	c.Header("Content-Type", contentType)
	c.Header("Content-Length", strconv.Itoa(len(data)))
	if c.Request.Method == http.MethodHead {
		Empty(c, status)
		return
	}
	c.Status(status)
	// A client that does not read its response is not an error of the server.
	_, _ = c.Writer.Write(data)
}

// Empty responds with a status and no body.
func Empty(c *gin.Context, status int) {
	c.Status(status)
	c.Writer.WriteHeaderNow()
}

// Vary adds request headers to Vary.
func Vary(c *gin.Context, names ...string) {
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
