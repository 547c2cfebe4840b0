package problem

import (
	"strconv"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Line is the error of one of several requests in a body.
type Line struct {
	// Index counts the requests from 0, and Number the lines of the body from 1; it is 0 for a body without lines.
	Index  int                 `json:"index"`
	Number int                 `json:"line,omitempty"`
	Code   string              `json:"code"`
	Detail string              `json:"detail"`
	Errors []map[string]string `json:"errors,omitempty"`
}

// Line returns the problem as the error of one of several requests.
func (p *Problem) Line(index, number int, lang job.Lang) Line {
	line := Line{Index: index, Number: number, Code: p.Code, Detail: p.detail(definitionOf(p).sentence, false, lang)}
	if len(p.Fields) > 0 {
		line.Errors = fieldErrors(p.Fields, lang)
	}
	return line
}

// InvalidLines returns the problem of a body in which some of all requests are invalid.
func InvalidLines(lines []Line, all int) *Problem {
	return &Problem{
		Code: CodeInvalid, Reason: "lines", Args: map[string]string{"bad": strconv.Itoa(len(lines)), "all": strconv.Itoa(all)},
		Extra: map[string]any{"lines": lines},
	}
}
