package job

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxReferences   = 64   // whatever a model is said to take
	maxReferenceURL = 2048 // characters
)

// references checks the addresses of reference pictures against what the model takes. An empty list is a fault, because
// whoever sends one means something else than whoever sends none.
func (f *faultList) references(pointer string, addresses []string, model Model, known bool) {
	limit := maxReferences
	if known {
		limit = min(model.MaxReferenceImages, maxReferences)
	}
	switch {
	case addresses == nil:
		return
	case len(addresses) == 0:
		f.add(pointer, "required")
		return
	case limit == 0:
		f.add(pointer, "not_for_model", "model", model.Name)
		return
	case len(addresses) > limit:
		f.add(pointer, "too_many_items", "max", strconv.Itoa(limit))
		return
	}
	for i, address := range addresses {
		at := pointer + "/" + strconv.Itoa(i)
		switch {
		case utf8.RuneCountInString(address) > maxReferenceURL:
			f.add(at, "too_long", "max", strconv.Itoa(maxReferenceURL))
		case !isReference(address):
			f.add(at, "invalid_url")
		}
	}
}

// isReference reports whether an address can be sent as that of a reference picture. The upstream parts its list at
// commas and bars, so that an address must have neither; one with a user name would hand a password on.
func isReference(address string) bool {
	bad := func(r rune) bool {
		return strings.ContainsRune(`|,#\`, r) || unicode.IsSpace(r) || unicode.IsControl(r)
	}
	u, err := url.Parse(address)
	return err == nil && !strings.ContainsFunc(address, bad) && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Hostname() != "" && u.User == nil
}
