package simulator

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// drawing is an image as a request describes it.
type drawing struct {
	content.Drawing
	options imageOptions
}

// imageOptions is what a picture goes by beside its words and measures.
type imageOptions struct {
	safe       []string // what the filter looks for, sorted; "true" for everything
	references []string // addresses of pictures, which nobody fetches
	guidance   string   // a number in its shortest form
	reasoning  string
}

// mark is what makes pictures with other options other pictures; it is empty
// when nothing is asked for.
func (o imageOptions) mark() string {
	if len(o.safe) == 0 && len(o.references) == 0 && o.guidance == "" && o.reasoning == "" {
		return ""
	}
	return fmt.Sprintf("%q %q %q %q", o.safe, o.references, o.guidance, o.reasoning)
}

// query spells the options as the address of a picture does.
func (o imageOptions) query(into url.Values) {
	for name, value := range map[string]string{
		"safe": strings.Join(o.safe, ","), "image": strings.Join(o.references, "|"), "guidance_scale": o.guidance, "reasoning": o.reasoning,
	} {
		if value != "" {
			into.Set(name, value)
		}
	}
}

// readImageOptions checks the options as texts. The header stands in for a
// safe that is left out.
func readImageOptions(text func(name string) string, header http.Header, faults map[string][]string) imageOptions {
	o := imageOptions{references: splitReferences(text("image")), reasoning: text("reasoning")}
	safe := text("safe")
	if safe == "" {
		safe = header.Get("Pollinations-Safe")
	}
	var ok bool
	if o.safe, ok = readSafe(safe); !ok {
		faults["safe"] = []string{"Invalid input"}
	}
	if scale := text("guidance_scale"); scale != "" {
		if o.guidance, ok = readNumber(scale); !ok {
			faults["guidance_scale"] = []string{"Invalid input: expected number, received NaN"}
		}
	}
	if !slices.Contains([]string{"", "fast", "balanced", "pro"}, o.reasoning) {
		faults["reasoning"] = []string{`Invalid option: expected one of "fast"|"balanced"|"pro"`}
	}
	return o
}

// readNumber writes a number in the shortest way; it reports false for what
// is none.
func readNumber(text string) (string, bool) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return "", false
	}
	return strconv.FormatFloat(value, 'g', -1, 64), true
}

// readSafe reads what the filter looks for, which is nothing when it is off.
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

// splitReferences parts a list of addresses at bars and commas.
func splitReferences(text string) []string {
	var list []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '|' || r == ',' }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// trouble refuses reference pictures that cannot be had, as far as that shows
// without asking for them: addresses that are none, and names that no network
// has. A model that takes no pictures does not look at them.
func (o imageOptions) trouble(model imageModel) *failure {
	if len(o.references) == 0 || model.refs == 0 {
		return nil
	}
	if len(o.references) > model.refs {
		return &failure{
			status: http.StatusBadRequest, code: "BAD_REQUEST",
			message: fmt.Sprintf("Invalid image request: model %q takes at most %d reference images.", model.name, model.refs),
		}
	}
	for _, address := range o.references {
		u, err := url.Parse(address)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
			return referenceFailure("invalid_image_url")
		}
		if host := strings.ToLower(u.Hostname()); host == "invalid" || strings.HasSuffix(host, ".invalid") {
			return referenceFailure("failed_to_download_image")
		}
	}
	return nil
}

func referenceFailure(code string) *failure {
	f := failures()[code].gateway
	return &f
}

// safetyHeader says that the filter looked and found nothing.
func (o imageOptions) safetyHeader(header map[string]string) {
	if len(o.safe) > 0 {
		header["X-Safety-Applied"], header["X-Safety-Status"] = strings.Join(o.safe, ","), "passed"
	}
}

// loose is a member of a body that may be a text, a number, a truth value or
// a list of texts.
type loose struct{ text string }

// UnmarshalJSON takes any of them as the address of a picture would spell it.
func (l *loose) UnmarshalJSON(data []byte) error {
	var list []string
	switch {
	case json.Unmarshal(data, &l.text) == nil:
	case json.Unmarshal(data, &list) == nil:
		l.text = strings.Join(list, "|")
	default:
		l.text = string(data) // What is no number or truth value is refused as such.
	}
	return nil
}
