package server

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// originalOrder checks an input of one of the original's routes. text is the name that the route has for the text of the
// input.
func (h *originalHandler) originalOrder(models *job.Catalogue, kind job.Kind, in job.Input, faults []job.FieldError, text string) (*jobs.Order, error) {
	// Errors so far have the names of the route, errors to come those of the input.
	for i := range faults {
		if faults[i].Pointer == "/"+text {
			faults[i].Pointer = inputText(kind)
		}
	}
	faults = append(faults, validate(in, models, "", faults)...)
	if len(faults) > 0 {
		return nil, problem.Invalid(rename(kind, faults, text)...)
	}
	o, err := h.submitter.NewOrder(kind, in, nil, models)
	if faulty, ok := errors.AsType[*jobs.InvalidError](err); ok {
		return nil, problem.Invalid(rename(kind, faulty.Faults, text)...)
	}
	return o, err
}

// inputText is the pointer of the text in an input of a kind.
func inputText(kind job.Kind) string {
	if kind == job.KindImage {
		return "/prompt"
	}
	return "/text"
}

// rename replaces the input's name for the text by that of the route.
func rename(kind job.Kind, faults []job.FieldError, text string) []job.FieldError {
	for i := range faults {
		if faults[i].Pointer == inputText(kind) {
			faults[i].Pointer = "/" + text
		}
	}
	return faults
}
