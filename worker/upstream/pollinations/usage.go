package pollinations

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// Usage is what an upstream counted of a call, for which the list of models has the prices. What it did not say is 0.
type Usage struct {
	// ImageTokens counts images, or the tokens of an image, by the model.
	ImageTokens float64
	// AudioCharacters counts the characters that were read aloud.
	AudioCharacters float64
	// Counts holds everything that was counted, by the names that Model.Rates has as well.
	Counts map[string]float64
	// CacheHit says that nothing is billed.
	CacheHit bool
}

const (
	imageTokens = "completionImageTokens"
	audioTokens = "completionAudioTokens"
	// maxCounts bounds how many counts are taken over.
	maxCounts = 16
)

// usageOf reads the counts out of headers such as X-Usage-Completion-Image-Tokens. The one for images had a shorter
// name before.
func usageOf(header http.Header, hit bool) Usage {
	u := Usage{CacheHit: hit}
	for name, values := range header {
		kind, counted := strings.CutPrefix(http.CanonicalHeaderKey(name), "X-Usage-")
		if !counted && http.CanonicalHeaderKey(name) == "X-Completion-Image-Tokens" {
			kind, counted = "Completion-Image-Tokens", true
		}
		if !counted || len(values) == 0 || len(u.Counts) >= maxCounts {
			continue
		}
		count, err := strconv.ParseFloat(strings.TrimSpace(values[0]), 64)
		if err != nil || count < 0 || count > 1e9 || math.IsNaN(count) {
			continue
		}
		if u.Counts == nil {
			u.Counts = make(map[string]float64)
		}
		u.Counts[camelCase(kind)] = count
	}
	u.ImageTokens, u.AudioCharacters = u.Counts[imageTokens], u.Counts[audioTokens]
	return u
}

// complete takes the counts out of the usage in a document, where no header told any. The tokens that such a document
// calls those of the output are those of the image.
func (u *Usage) complete(document json.RawMessage) {
	var usage map[string]json.RawMessage
	if len(u.Counts) > 0 || json.Unmarshal(document, &usage) != nil {
		return
	}
	for from, to := range map[string]string{
		"input_tokens": "promptTextTokens", "output_tokens": imageTokens, "total_tokens": "totalTokens",
	} {
		count, err := strconv.ParseFloat(stringOf(usage[from]), 64)
		if err != nil || count < 0 || count > 1e9 || math.IsNaN(count) {
			continue
		}
		if u.Counts == nil {
			u.Counts = make(map[string]float64)
		}
		u.Counts[to] = count
	}
	u.ImageTokens = u.Counts[imageTokens]
}

// camelCase turns a header's name into the spelling of the price lists.
func camelCase(name string) string {
	parts := strings.Split(name, "-")
	parts[0] = strings.ToLower(parts[0])
	return strings.Join(parts, "")
}
