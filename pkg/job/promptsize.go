package job

import (
	"net/url"
	"strconv"
	"strings"
)

// fitsURL checks whether the words of an image fit into a URL, for an upstream that accepts them in no other way; a limit of 0
// means no limit.
func (f *faultList) fitsURL(pointer string, in *ImageInput, limit int) {
	if limit > 0 && in.urlBytes() > limit {
		f.add(pointer, "too_long_in_address", "max", strconv.Itoa(limit))
	}
}

// urlBytes is the size of the words in a URL, including the negative prompt and the URLs of reference images.
func (in *ImageInput) urlBytes() int {
	bytes := len(url.PathEscape(strings.TrimSpace(in.Prompt))) + len(url.QueryEscape(strings.TrimSpace(in.Negative)))
	return bytes + len(url.QueryEscape(strings.Join(in.ReferenceImages, "|")))
}
