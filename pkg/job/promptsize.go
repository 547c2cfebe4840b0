package job

import (
	"net/url"
	"strconv"
	"strings"
)

// fitsURL checks the URL-escaped size of the prompt of an image, for an upstream that accepts it only in the URL. A limit of 0
// means no limit.
func (f *faultList) fitsURL(pointer string, in *ImageInput, limit int) {
	if limit > 0 && in.urlBytes() > limit {
		f.add(pointer, "too_long_in_address", "max", strconv.Itoa(limit))
	}
}

// urlBytes returns the URL-escaped size of the prompt, the negative prompt and the URLs of reference images.
func (in *ImageInput) urlBytes() int {
	bytes := len(url.PathEscape(strings.TrimSpace(in.Prompt))) + len(url.QueryEscape(strings.TrimSpace(in.Negative)))
	return bytes + len(url.QueryEscape(strings.Join(in.ReferenceImages, "|")))
}
