// Package respond writes responses and sets a deadline for every write.
package respond

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
)

const jsonType = "application/json; charset=utf-8"

// Encode returns v as JSON on one line. Characters with a meaning in HTML are not escaped: no response is interpreted as
// HTML.
func Encode(v any) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, typicalBody))
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode response: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// typicalBody is the initial size of the buffer of a response, in bytes: that of a job.
const typicalBody = 1 << 10

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
	old := header.Get("Vary")
	list := old
	for _, name := range names {
		switch {
		case list == "":
			list = name
		case !inList(list, name):
			list += ", " + name
		}
	}
	if list != old {
		header.Set("Vary", list)
	}
}

// inList reports whether a comma-separated list contains a name.
func inList(list, name string) bool {
	for item := range strings.SplitSeq(list, ", ") {
		if item == name {
			return true
		}
	}
	return false
}
