package server

import (
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// servedModel returns the model to use for a name on one of the original's routes, whose pages still send retired models
// and show nothing when those are rejected. A retired model, and a built-in one that the upstream does not list, is
// replaced, and a Warning header names the replacement. Any other name is returned unchanged.
func servedModel(c *gin.Context, name, fallback string, served, builtin []job.Model) string {
	if name == "" {
		return name
	}
	m, ok := job.FindModel(served, name)
	switch {
	case ok && m.ReplacedBy == "":
		return name
	case !ok:
		if m, ok = job.FindModel(builtin, name); !ok {
			return name
		}
		m.ReplacedBy = job.ServedModel(served, fallback).Name
	}
	// RFC 7234, section 5.5.7. There is one language, since the text of a header is ASCII.
	c.Header("Warning", fmt.Sprintf(`299 - "The model %s is retired; %s was used."`, quotable(m.Name), quotable(m.ReplacedBy)))
	return m.ReplacedBy
}

// quotable replaces the characters that are not allowed in a quoted string of a header.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
