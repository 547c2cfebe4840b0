package bind

import (
	"bytes"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// lineTypes are the media types of one JSON value per line.
var lineTypes = []string{"application/jsonl", "application/x-ndjson", "application/ndjson", "application/x-jsonlines", "application/jsonlines"}

// Line is a line of a body.
type Line struct {
	// Number counts from 1 and includes blank lines.
	Number int
	Text   []byte
}

// IsLines reports whether a body is declared as one JSON value per line.
func IsLines(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && slices.Contains(lineTypes, mediaType)
}

// Lines returns the lines of a body that are not blank.
func Lines(c *gin.Context) ([]Line, error) {
	if encoding := c.GetHeader("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, problem.New(problem.CodeMediaType)
	}
	body, err := ReadBody(c)
	if err != nil {
		return nil, err
	}
	var lines []Line
	number := 0
	for text := range bytes.SplitSeq(body, []byte("\n")) {
		number++
		if len(bytes.TrimSpace(text)) > 0 {
			lines = append(lines, Line{number, text})
		}
	}
	if len(lines) == 0 {
		return nil, problem.Because(problem.CodeBodyRequired, "lines")
	}
	return lines, nil
}

// Items returns the items of an array.
func (n *Node) Items() []*Node { return n.items }
