package server

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// originalOrder checks an input of one of the original's routes and returns the order. text is the name of the input's text
// in the body of the route.
func (h *originalHandler) originalOrder(models *job.Catalogue, kind job.Kind, in job.Input, faults []job.FieldError, text string) (*jobs.Order, error) {
	// The errors so far have the field names of the route, later ones those of the input.
	for i := range faults {
		if faults[i].Pointer == "/"+text {
			faults[i].Pointer = inputText(kind)
		}
	}
	faults = append(faults, validate(in, models, "", faults)...)
	if len(faults) > 0 {
		return nil, problem.Invalid(renameText(kind, faults, text)...)
	}
	o, err := h.submitter.NewOrder(kind, in, nil, models)
	if faulty, ok := errors.AsType[*jobs.InvalidError](err); ok {
		return nil, problem.Invalid(renameText(kind, faulty.Faults, text)...)
	}
	return o, err
}

// inputText returns the pointer of the text in an input of a kind.
func inputText(kind job.Kind) string {
	if kind == job.KindImage {
		return "/prompt"
	}
	return "/text"
}

// renameText replaces the input's name for the text by that of the route.
func renameText(kind job.Kind, faults []job.FieldError, text string) []job.FieldError {
	for i := range faults {
		if faults[i].Pointer == inputText(kind) {
			faults[i].Pointer = "/" + text
		}
	}
	return faults
}
