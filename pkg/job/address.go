package job

import (
	"net/url"
	"strconv"
	"strings"
)

// fitsURL checks whether the words of a picture fit into an address, for an upstream that takes them in no other way;
// a limit of 0 is none.
func (f *faultList) fitsURL(pointer string, in *ImageInput, limit int) {
	if limit > 0 && in.urlBytes() > limit {
		f.add(pointer, "too_long_in_address", "max", strconv.Itoa(limit))
	}
}

// urlBytes is what the words take in an address, those to avoid and the addresses of reference pictures included.
func (in *ImageInput) urlBytes() int {
	bytes := len(url.PathEscape(strings.TrimSpace(in.Prompt))) + len(url.QueryEscape(strings.TrimSpace(in.Negative)))
	return bytes + len(url.QueryEscape(strings.Join(in.ReferenceImages, "|")))
}
