package pollinations

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// Usage is the usage of a call as counted by the upstream.
type Usage = media.Usage

// The names of prices in the model list.
const (
	imageTokens = "completionImageTokens"
	audioTokens = "completionAudioTokens"
)

// usageOf returns the counts in the headers. The one for images also has an older, shorter name.
func usageOf(header http.Header) Usage {
	image := cmp.Or(header.Get("X-Usage-Completion-Image-Tokens"), header.Get("X-Completion-Image-Tokens"))
	return Usage{ImageTokens: tokens(image), AudioCharacters: tokens(header.Get("X-Usage-Completion-Audio-Tokens"))}
}

// completeUsage sets the count of an image from the usage in a document if the headers had none.
func completeUsage(u *Usage, document json.RawMessage) {
	var usage struct {
		Output json.RawMessage `json:"output_tokens"`
	}
	if u.ImageTokens == 0 && json.Unmarshal(document, &usage) == nil {
		u.ImageTokens = tokens(stringOf(usage.Output))
	}
}

// tokens parses a count; an invalid one is 0.
func tokens(value string) float64 {
	count, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || count < 0 || count > 1e9 || math.IsNaN(count) {
		return 0
	}
	return count
}
