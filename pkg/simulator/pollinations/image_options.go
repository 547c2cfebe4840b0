package pollinations

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// Drawing is an image as a request describes it.
type Drawing struct {
	content.Drawing
	Options ImageOptions
}

// ImageOptions are the parameters of an image beside its prompt and size.
type ImageOptions struct {
	Safe       []string // what the safety filter looks for, sorted; "true" for everything
	References []string // URLs of images, which are not fetched
	Guidance   string   // a number in its shortest form
	Reasoning  string
}

// variant distinguishes images with different options; it is empty without any.
func (o ImageOptions) variant() string {
	if len(o.Safe) == 0 && len(o.References) == 0 && o.Guidance == "" && o.Reasoning == "" {
		return ""
	}
	return fmt.Sprintf("%q %q %q %q", o.Safe, o.References, o.Guidance, o.Reasoning)
}

// readImageOptions reads and checks the options. The header Pollinations-Safe
// replaces a missing parameter safe.
func readImageOptions(query url.Values, header http.Header, invalid fieldErrors) ImageOptions {
	o := ImageOptions{References: SplitReferences(query.Get("image")), Reasoning: query.Get("reasoning")}
	var ok bool
	if o.Safe, ok = readSafe(cmp.Or(query.Get("safe"), header.Get("Pollinations-Safe"))); !ok {
		invalid["safe"] = []string{"Invalid input"}
	}
	if scale := query.Get("guidance_scale"); scale != "" {
		if o.Guidance, ok = ReadNumber(scale); !ok {
			invalid["guidance_scale"] = []string{"Invalid input: expected number, received NaN"}
		}
	}
	if !slices.Contains([]string{"", "fast", "balanced", "pro"}, o.Reasoning) {
		invalid["reasoning"] = []string{`Invalid option: expected one of "fast"|"balanced"|"pro"`}
	}
	return o
}

// ReadNumber returns a number in its shortest form, and false for any other text.
func ReadNumber(text string) (string, bool) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return "", false
	}
	return strconv.FormatFloat(value, 'g', -1, 64), true
}

// readSafe returns what the safety filter looks for; it is empty when the filter is
// off.
func readSafe(text string) (topics []string, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		switch {
		case part == "" || part == "false":
		case !slices.Contains([]string{"privacy", "secrets", "sexual", "violence", "shield", "true", "nsfw"}, part):
			return nil, false
		default:
			topics = append(topics, part)
		}
	}
	slices.Sort(topics)
	return slices.Compact(topics), true
}

// SplitReferences splits a list of URLs at bars and commas.
func SplitReferences(text string) []string {
	var list []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '|' || r == ',' }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// checkReferences rejects reference images that cannot be fetched, as far as that
// shows without fetching them: invalid URLs and reserved host names. A model that
// accepts no reference images ignores them.
func (o ImageOptions) checkReferences(model ImageModel) *kit.Failure {
	if len(o.References) == 0 || model.refs == 0 {
		return nil
	}
	if len(o.References) > model.refs {
		return new(badRequest(fmt.Sprintf("Invalid image request: model %q takes at most %d reference images.", model.Name, model.refs)))
	}
	for _, reference := range o.References {
		u, err := url.Parse(reference)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
			return new(failures()["invalid_image_url"])
		}
		if host := strings.ToLower(u.Hostname()); host == "invalid" || strings.HasSuffix(host, ".invalid") {
			return new(failures()["failed_to_download_image"])
		}
	}
	return nil
}

// safetyHeader adds the headers of a filter that found nothing.
func (o ImageOptions) safetyHeader(header map[string]string) {
	if len(o.Safe) > 0 {
		header["X-Safety-Applied"], header["X-Safety-Status"] = strings.Join(o.Safe, ","), "passed"
	}
}

// looseText is a member of a body that may be a string, a number, a boolean or an
// array of strings.
type looseText struct{ text string }

// UnmarshalJSON reads any of them as the query of an image spells it.
func (l *looseText) UnmarshalJSON(data []byte) error {
	var list []string
	switch {
	case json.Unmarshal(data, &l.text) == nil:
	case json.Unmarshal(data, &list) == nil:
		l.text = strings.Join(list, "|")
	default:
		l.text = string(data) // Other types fail the check of the parameter.
	}
	return nil
}
