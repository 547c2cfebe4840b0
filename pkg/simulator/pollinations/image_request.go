package pollinations

import (
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

// limit refuses a drawing that the provider of the model would refuse, or whose
// reference images it could not fetch.
func (d Drawing) limit(model ImageModel) *kit.Failure {
	if refusal := d.Options.checkReferences(model); refusal != nil {
		return refusal
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

// readImageQuery reads and checks the query of GET /image. Unknown parameters are
// ignored, among them negative_prompt, nologo, private and enhance.
func readImageQuery(query url.Values, header http.Header) (Drawing, ImageModel, fieldErrors) {
	invalid := fieldErrors{}
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
	d.fill(model)
	if q := query.Get("quality"); q != "" && !slices.Contains([]string{"low", "medium", "high", "hd"}, q) {
		invalid["quality"] = []string{`Invalid option: expected one of "low"|"medium"|"high"|"hd"`}
	}
	d.Options = readImageOptions(query.Get, header, invalid)
	return d, model, invalid
}

// fill sets a missing width or height to the default of the model.
func (d *Drawing) fill(model ImageModel) {
	if d.Width == 0 {
		d.Width = model.side
	}
	if d.Height == 0 {
		d.Height = model.side
	}
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

	options ImageOptions
}

// readImageBody decodes and checks the body. It returns what it could read even if
// the request is invalid.
func readImageBody(body []byte, header http.Header) (request imageBody, invalid fieldErrors, badJSON *kit.Failure) {
	invalid = fieldErrors{}
	if badJSON = decode(body, &request, invalid); badJSON != nil {
		return request, nil, badJSON
	}
	if n := utf8.RuneCountInString(request.Prompt); n < 1 || n > maxPromptRunes {
		invalid["prompt"] = []string{fmt.Sprintf("Invalid length: expected 1 to %d characters", maxPromptRunes)}
	}
	if _, known := FindImageModel(request.Model); request.Model != "" && !known {
		invalid["model"] = []string{fmt.Sprintf("Invalid model: %q", request.Model)}
	}
	if request.N != nil && *request.N != 1 {
		invalid["n"] = []string{"Invalid input: expected 1"}
	}
	if _, _, ok := splitSize(request.Size); request.Size != "" && !ok {
		invalid["size"] = []string{"Invalid input: expected WIDTHxHEIGHT"}
	}
	if request.Quality != "" && !slices.Contains([]string{"standard", "hd", "low", "medium", "high"}, request.Quality) {
		invalid["quality"] = []string{`Invalid option: expected one of "standard"|"hd"|"low"|"medium"|"high"`}
	}
	if request.ResponseFormat != "" && request.ResponseFormat != "url" && request.ResponseFormat != "b64_json" {
		invalid["response_format"] = []string{`Invalid option: expected one of "url"|"b64_json"`}
	}
	if request.Seed != nil && (*request.Seed < -1 || *request.Seed > MaxSeed) {
		invalid["seed"] = []string{fmt.Sprintf("Invalid input: expected -1 to %d", MaxSeed)}
	}
	texts := map[string]string{
		"safe": request.Safe.text, "image": request.Image.text, "guidance_scale": request.Guidance.text, "reasoning": request.Reasoning.text,
	}
	request.options = readImageOptions(func(name string) string { return texts[name] }, header, invalid)
	return request, invalid, nil
}

// drawing returns the image that a valid body describes.
func (b imageBody) drawing() (Drawing, ImageModel) {
	name := b.Model
	if name == "" {
		name = defaultImageModel
	}
	model, _ := FindImageModel(name)
	d := Drawing{
		Drawing: content.Drawing{Prompt: b.Prompt, Model: model.Name, Transparent: b.Transparent && model.GPT, Vector: model.vector},
		Options: b.options,
	}
	d.Width, d.Height, _ = splitSize(b.Size)
	d.fill(model)
	if b.Seed != nil {
		d.Seed = *b.Seed
	}
	return d, model
}

// splitSize reads "WIDTHxHEIGHT".
func splitSize(size string) (width, height int, ok bool) {
	w, h, found := strings.Cut(size, "x")
	width, errW := strconv.Atoi(w)
	height, errH := strconv.Atoi(h)
	if !found || errW != nil || errH != nil || width < 1 || height < 1 || width > 1<<31 || height > 1<<31 {
		return 0, 0, false
	}
	return width, height, true
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
