package job

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Repeatable reports whether a request, as received and before it is completed, has the same result each time: an image with a seed, and
// speech.
func Repeatable(in Input) bool {
	switch in := in.(type) {
	case *ImageInput:
		return in.Seed != nil && *in.Seed >= 0
	case *AudioInput:
		return true
	}
	return false
}

// CacheContent returns everything of a completed request that determines its result. references are the stored reference images of the
// input, which count by their content.
func CacheContent(kind Kind, in Input, references []ReferenceImage) (string, error) {
	if image, ok := in.(*ImageInput); ok && len(references) > 0 {
		named := *image
		named.ReferenceImages = slices.Clone(image.ReferenceImages)
		for _, r := range references {
			if r.Index < len(named.ReferenceImages) {
				named.ReferenceImages[r.Index] = "sha256:" + r.SHA256
			}
		}
		in = &named
	}
	b, err := json.Marshal(struct {
		Kind  Kind  `json:"kind"`
		Input Input `json:"input"`
	}{kind, in})
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	return string(b), nil
}

// Reusable reports whether the result of a job may be that of identical ones too: it is complete, and has media.
func (r *Record) Reusable() bool {
	return r.Status == StatusSucceeded && r.Result != nil && len(r.Result.Media) > 0 && len(r.Result.Missing) == 0
}

// Copy returns the record of an identical job, which has made no upstream call, without its spec and times.
func (r *Record) Copy() *Record {
	result := *r.Result
	result.Usage, result.Media = nil, slices.Clone(result.Media)
	for i := range result.Media {
		result.Media[i].Usage = nil
	}
	return &Record{Status: StatusSucceeded, Result: &result, Cached: true}
}

// UncachedFingerprint returns the fingerprint of a request that must have a result of its own, given that of the rest of the request.
func UncachedFingerprint(rest string) (string, error) {
	return fingerprint(struct {
		Rest  string `json:"rest"`
		Cache bool   `json:"cache"`
	}{rest, false})
}
