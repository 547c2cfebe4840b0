package server

import (
	"fmt"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// servedModel returns the model to use for a name on one of the original's routes, whose pages still name retired models
// and show nothing when they are rejected. For a retired model, or a built-in one that the upstream does not list, it is
// the replacement, which the response names in a Warning header. Any other name is returned unchanged.
func servedModel(c *gin.Context, name, usual string, served, builtin []job.Model) string {
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
		m.ReplacedBy = job.ServedModel(served, usual).Name
	}
	// RFC 7234, section 5.5.7. There is one language, since the text of a header is ASCII.
	c.Header("Warning", fmt.Sprintf(`299 - "The model %s is retired; %s was used."`, quotable(m.Name), quotable(m.ReplacedBy)))
	return m.ReplacedBy
}

// quotable returns a text with the characters that may stand between the quotes of a header's value.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, s)
}
