package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// EditRequest is the form of POST /v1/images/edits.
type EditRequest struct {
	ImageRequest
	// Images are the files to edit.
	Images [][]byte
}

// ParseEdit parses a form, whose faults are in the binder. It fails with a problem if the body is not a form.
func ParseEdit(contentType string, body []byte) (*EditRequest, *bind.Binder, error) {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "multipart/form-data" || params["boundary"] == "" {
		return nil, nil, problem.Because(problem.CodeMediaType, "form")
	}
	r, masked := &EditRequest{}, false
	fields := map[string]string{}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	for {
		part, err := form.NextPart()
		if err == io.EOF { //nolint:errorlint // NextPart returns it as it is at the end; a form that is cut off wraps it.
			break
		}
		if err != nil {
			return nil, nil, problem.Because(problem.CodeMediaType, "form")
		}
		data, err := io.ReadAll(part)
		if err != nil {
			return nil, nil, problem.Because(problem.CodeMediaType, "form")
		}
		// Clients write a list as image[], or as image several times.
		switch name, _, _ := strings.Cut(part.FormName(), "["); {
		case name == "image" && len(data) > 0:
			r.Images = append(r.Images, data)
		case name == "mask":
			masked = true
		case len(data) > 0:
			fields[name] = string(data)
		}
	}
	// A binder of JSON reads numbers and booleans from strings.
	document, err := json.Marshal(fields)
	if err != nil {
		return nil, nil, fmt.Errorf("encode form: %w", err)
	}
	b, err := bind.LenientBytes(document, &r.ImageRequest)
	if err != nil {
		return nil, nil, err
	}
	if len(r.Images) == 0 {
		b.Add("/image", "required")
	}
	if masked {
		b.Add("/mask", "mask_not_supported")
	}
	return r, b, nil
}

// EditModel returns a function like ImageModel for requests with n images: of the models that accept as many it returns the one that
// ImageModel does, the default, or the first. It replaces no name at all, too.
func EditModel(n int) func(served []job.Model, name, fallback string) (string, bool) {
	return func(served []job.Model, name, fallback string) (string, bool) {
		replacement, ok := ImageModel(served, name, fallback)
		if !ok && name != "" {
			return "", false
		}
		if !ok {
			replacement = job.ServedModel(served, fallback).Name
		}
		if m, ok := job.FindModel(served, replacement); ok && m.MaxReferenceImages >= n {
			return replacement, true
		}
		for _, m := range served {
			if m.ReplacedBy == "" && m.MaxReferenceImages >= n {
				return m.Name, true
			}
		}
		return replacement, true
	}
}
