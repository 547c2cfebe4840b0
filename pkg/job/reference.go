package job

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxReferences   = 64   // for any model
	maxReferenceURL = 2048 // characters
)

// Reference is a reference image that is stored here: an upload, or an image of a job.
type Reference struct {
	// Upload is the id of an upload, or Job that of a job.
	Upload, Job string
	// Index is that of the image among those of the job.
	Index int
}

// String returns the form that ParseReference parses.
func (r Reference) String() string {
	if r.Upload != "" {
		return "upload:" + r.Upload
	}
	return "job:" + r.Job + "/" + strconv.Itoa(r.Index)
}

// ReferenceImage describes a stored reference image that was copied for a job.
type ReferenceImage struct {
	// Index is that of the reference among those of the input.
	Index       int    `json:"index"`
	ContentType string `json:"content_type"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	ChunkBytes  int    `json:"chunk_bytes"`
}

// ParseReference parses "upload:<id>" or "job:<id>/<index>". stored is false for anything else, such as a URL, and ok is false for
// a stored reference that is malformed.
func ParseReference(text string) (ref Reference, stored, ok bool) {
	if id, found := strings.CutPrefix(text, "upload:"); found {
		return Reference{Upload: id}, true, ValidToken(id)
	}
	rest, found := strings.CutPrefix(text, "job:")
	if !found {
		return Reference{}, false, true
	}
	id, number, _ := strings.Cut(rest, "/")
	index, err := strconv.Atoi(number)
	return Reference{Job: id, Index: index}, true, ValidToken(id) && err == nil && index >= 0 && strconv.Itoa(index) == number
}

// references checks the reference images and whether the model accepts them. An empty list is a fault, since it is probably a
// mistake. With urlsOnly the image service accepts no other references.
func (f *faultList) references(pointer string, urls []string, model Model, known, urlsOnly bool) {
	limit := maxReferences
	if known {
		limit = min(model.MaxReferenceImages, maxReferences)
	}
	switch {
	case urls == nil:
		return
	case len(urls) == 0:
		f.add(pointer, "required")
		return
	case limit == 0:
		f.add(pointer, "not_for_model", "model", model.Name)
		return
	case len(urls) > limit:
		f.add(pointer, "too_many_items", "max", strconv.Itoa(limit))
		return
	}
	for i, raw := range urls {
		at := pointer + "/" + strconv.Itoa(i)
		_, stored, ok := ParseReference(raw)
		switch {
		case stored && !ok:
			f.add(at, "invalid_reference")
		case stored && urlsOnly:
			f.add(at, "reference_needs_url")
		case stored:
		case utf8.RuneCountInString(raw) > maxReferenceURL:
			f.add(at, "too_long", "max", strconv.Itoa(maxReferenceURL))
		case !isReference(raw):
			f.add(at, "invalid_url")
		}
	}
}

// isReference reports whether a URL can be sent to the upstream. The upstream splits its list at commas and bars, so that a URL
// must contain neither; one with a user name would disclose a password.
func isReference(raw string) bool {
	bad := func(r rune) bool {
		return strings.ContainsRune(`|,#\`, r) || unicode.IsSpace(r) || unicode.IsControl(r)
	}
	u, err := url.Parse(raw)
	return err == nil && !strings.ContainsFunc(raw, bad) && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Hostname() != "" && u.User == nil
}
