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

// references checks the URLs of reference images and whether the model accepts them. An empty list is a fault, since it is
// probably a mistake.
func (f *faultList) references(pointer string, urls []string, model Model, known bool) {
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
		switch {
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
