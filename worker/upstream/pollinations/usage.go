package pollinations

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
)

// Usage is the usage of a call as counted by an upstream; the model list has the prices. Missing counts are 0.
type Usage struct {
	// ImageTokens is the number of images or of their tokens, depending on the model.
	ImageTokens float64
	// AudioCharacters is the number of characters converted to speech.
	AudioCharacters float64
	// Counts has every count by its name in Model.Rates.
	Counts map[string]float64
}

const (
	imageTokens = "completionImageTokens"
	audioTokens = "completionAudioTokens"
	// maxCounts bounds the number of counts.
	maxCounts = 16
)

// usageOf returns the counts in headers such as X-Usage-Completion-Image-Tokens. The one for images also has an older,
// shorter name.
func usageOf(header http.Header) Usage {
	var u Usage
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

// complete sets the counts from the usage in a document if the headers had none. The output tokens are those of the
// image.
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

// camelCase converts the name of a header to the name in the price lists.
func camelCase(name string) string {
	parts := strings.Split(name, "-")
	parts[0] = strings.ToLower(parts[0])
	return strings.Join(parts, "")
}
