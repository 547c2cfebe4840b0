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
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// The limits of images.
const (
	MaxSeed        = math.MaxInt32
	MaxSide        = 16384
	maxPixels      = 4096 * 4096
	maxPromptRunes = 32000
)

// limit rejects a drawing that the provider of the model would reject, or whose
// reference images it could not fetch.
func (d Drawing) limit(model ImageModel) *kit.Failure {
	if failure := d.Options.checkReferences(model); failure != nil {
		return failure
	}
	pixels := maxPixels
	if model.maxPixels > 0 {
		pixels = model.maxPixels
	}
	if d.Width <= MaxSide && d.Height <= MaxSide && d.Width*d.Height <= pixels {
		return nil
	}
	return new(badRequest(fmt.Sprintf("Invalid image request: %dx%d is more than %d pixels.", d.Width, d.Height, pixels)))
}

// readImageQuery reads the query of GET /image and adds its errors to invalid. Unknown
// parameters are ignored, among them negative_prompt, nologo, private and enhance.
func readImageQuery(query url.Values, header http.Header, invalid fieldErrors) (Drawing, ImageModel) {
	name := defaultImageModel
	if query.Has("model") {
		name = query.Get("model")
	}
	model, known := FindImageModel(name)
	if !known {
		invalid["model"] = []string{fmt.Sprintf("Invalid model: %q", name)}
	}
	number := func(name string, low, high, fallback int64) int64 {
		text := query.Get(name)
		if text == "" {
			return fallback
		}
		value, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			invalid[name] = []string{"Invalid input: expected int, received " + typeOf(text)}
		case value < low:
			invalid[name] = []string{fmt.Sprintf("Too small: expected number to be >=%d", low)}
		case value > high:
			invalid[name] = []string{fmt.Sprintf("Too big: expected number to be <=%d", high)}
		}
		return value
	}
	d := Drawing{Drawing: content.Drawing{
		Model:       model.Name,
		Width:       int(number("width", 0, 1<<31, 0)),
		Height:      int(number("height", 0, 1<<31, 0)),
		Seed:        number("seed", -1, MaxSeed, 0),
		Transparent: model.GPT && IsTrue(query.Get("transparent")),
		Vector:      model.vector,
	}}
	d.Width = cmp.Or(d.Width, model.side)
	d.Height = cmp.Or(d.Height, model.side)
	if q := query.Get("quality"); q != "" && !slices.Contains([]string{"low", "medium", "high", "hd"}, q) {
		invalid["quality"] = []string{`Invalid option: expected one of "low"|"medium"|"high"|"hd"`}
	}
	d.Options = readImageOptions(query, header, invalid)
	return d, model
}

// typeOf names the type of a text that is not an integer.
func typeOf(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return "number"
	}
	return "NaN"
}

// IsTrue reports whether a query parameter is true in any spelling of strconv.
func IsTrue(text string) bool {
	yes, err := strconv.ParseBool(text)
	return err == nil && yes
}

// imageBody is the body of POST /v1/images/generations.
type imageBody struct {
	Prompt         string    `json:"prompt"`
	Model          string    `json:"model"`
	N              *int      `json:"n"`
	Size           string    `json:"size"`
	Quality        string    `json:"quality"`
	ResponseFormat string    `json:"response_format"`
	Seed           *int64    `json:"seed"`
	Transparent    bool      `json:"transparent"`
	Safe           looseText `json:"safe"`
	Image          looseText `json:"image"`
	Guidance       looseText `json:"guidance_scale"`
	Reasoning      looseText `json:"reasoning"`
}

// check adds the errors of the fields that GET /image does not have, or checks
// differently.
func (b imageBody) check(invalid fieldErrors) {
	if n := utf8.RuneCountInString(b.Prompt); n < 1 || n > maxPromptRunes {
		invalid["prompt"] = []string{fmt.Sprintf("Invalid length: expected 1 to %d characters", maxPromptRunes)}
	}
	if b.N != nil && *b.N != 1 {
		invalid["n"] = []string{"Invalid input: expected 1"}
	}
	if _, _, ok := splitSize(b.Size); b.Size != "" && !ok {
		invalid["size"] = []string{"Invalid input: expected WIDTHxHEIGHT"}
	}
	if !slices.Contains([]string{"", "standard", "hd", "low", "medium", "high"}, b.Quality) {
		invalid["quality"] = []string{`Invalid option: expected one of "standard"|"hd"|"low"|"medium"|"high"`}
	}
	if !slices.Contains([]string{"", "url", "b64_json"}, b.ResponseFormat) {
		invalid["response_format"] = []string{`Invalid option: expected one of "url"|"b64_json"`}
	}
}

// query returns the query of GET /image for the same image. Without a seed, or with
// -1, it has a random one.
func (b imageBody) query(x *kit.Exchange) url.Values {
	query := url.Values{}
	width, height, _ := splitSize(b.Size)
	seed := x.Server.RandomSeed()
	if b.Seed != nil && *b.Seed != -1 {
		seed = *b.Seed
	}
	for name, value := range map[string]string{
		"model": b.Model, "width": width, "height": height, "seed": strconv.FormatInt(seed, 10),
		"safe": cmp.Or(b.Safe.text, x.Request.Header.Get("Pollinations-Safe")), "image": b.Image.text,
		"guidance_scale": b.Guidance.text, "reasoning": b.Reasoning.text,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if b.Transparent {
		query.Set("transparent", "true")
	}
	return query
}

// splitSize reads "WIDTHxHEIGHT".
func splitSize(size string) (width, height string, ok bool) {
	width, height, ok = strings.Cut(size, "x")
	for _, side := range []string{width, height} {
		n, err := strconv.ParseInt(side, 10, 32)
		ok = ok && err == nil && n > 0
	}
	return width, height, ok
}

// decode decodes a body: unknown fields are ignored, a wrong type is an error of its
// field, anything else is an error of the body.
func decode(body []byte, into any, invalid fieldErrors) *kit.Failure {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	if field, message, ok := kit.WrongType(err); ok {
		invalid[field] = []string{message}
		return nil
	}
	return new(badRequest("Malformed JSON in request body"))
}
