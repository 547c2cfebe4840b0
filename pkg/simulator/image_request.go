package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

const (
	maxSeed        = 2147483647
	maxPixels      = 4096 * 4096
	maxSide        = 16384
	maxPromptRunes = 32000
)

// limit refuses a drawing that the provider behind the model would refuse,
// or for which it could not have the reference pictures.
func (d drawing) limit(model imageModel) *failure {
	if refusal := d.options.trouble(model); refusal != nil {
		return refusal
	}
	pixels := maxPixels
	if model.maxPixels > 0 {
		pixels = model.maxPixels
	}
	if d.Width <= maxSide && d.Height <= maxSide && d.Width*d.Height <= pixels {
		return nil
	}
	return &failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: fmt.Sprintf("Invalid image request: %dx%d is more than %d pixels.", d.Width, d.Height, pixels)}
}

// readImageQuery checks the query of GET /image. Keys that are not known are
// ignored, among them negative_prompt, nologo, private and enhance.
func readImageQuery(query url.Values, header http.Header) (drawing, imageModel, map[string][]string) {
	faults := map[string][]string{}
	name := defaultImageModel
	if query.Has("model") {
		name = query.Get("model")
	}
	model, known := findImageModel(name)
	if !known {
		faults["model"] = []string{fmt.Sprintf("Invalid model: %q", name)}
	}
	number := func(name string, low, high, fallback int64) int64 {
		text := query.Get(name)
		if text == "" {
			return fallback
		}
		value, err := strconv.ParseInt(text, 10, 64)
		switch {
		case err != nil:
			faults[name] = []string{"Invalid input: expected int, received " + kindOfText(text)}
		case value < low:
			faults[name] = []string{fmt.Sprintf("Too small: expected number to be >=%d", low)}
		case value > high:
			faults[name] = []string{fmt.Sprintf("Too big: expected number to be <=%d", high)}
		}
		return value
	}
	d := drawing{Drawing: content.Drawing{
		Model:       model.name,
		Width:       int(number("width", 0, 1<<31, 0)),
		Height:      int(number("height", 0, 1<<31, 0)),
		Seed:        number("seed", -1, maxSeed, 0),
		Transparent: model.gpt && isTrue(query.Get("transparent")),
		Vector:      model.vector,
	}}
	d.fill(model)
	if q := query.Get("quality"); q != "" && !slices.Contains([]string{"low", "medium", "high", "hd"}, q) {
		faults["quality"] = []string{`Invalid option: expected one of "low"|"medium"|"high"|"hd"`}
	}
	d.options = readImageOptions(query.Get, header, faults)
	return d, model, faults
}

// fill sets the sides that were left out or zero to the model's default.
func (d *drawing) fill(model imageModel) {
	if d.Width == 0 {
		d.Width = model.side
	}
	if d.Height == 0 {
		d.Height = model.side
	}
}

// kindOfText says what a text that is no whole number looks like.
func kindOfText(text string) string {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return "number"
	}
	return "NaN"
}

// isTrue reads a boolean of a query leniently.
func isTrue(text string) bool {
	yes, err := strconv.ParseBool(text)
	return err == nil && yes
}

// imageBody is the body of POST /v1/images/generations.
type imageBody struct {
	Prompt         string `json:"prompt"`
	Model          string `json:"model"`
	N              *int   `json:"n"`
	Size           string `json:"size"`
	Quality        string `json:"quality"`
	ResponseFormat string `json:"response_format"`
	Seed           *int64 `json:"seed"`
	Transparent    bool   `json:"transparent"`
	Safe           loose  `json:"safe"`
	Image          loose  `json:"image"`
	Guidance       loose  `json:"guidance_scale"`
	Reasoning      loose  `json:"reasoning"`

	options imageOptions
}

// readImageBody decodes and checks the body. It returns what could be read
// even when it refuses the rest.
func readImageBody(body []byte, header http.Header) (request imageBody, faults map[string][]string, badJSON *failure) {
	faults = map[string][]string{}
	if badJSON = decodeGateway(body, &request, faults); badJSON != nil {
		return request, nil, badJSON
	}
	if n := utf8.RuneCountInString(request.Prompt); n < 1 || n > maxPromptRunes {
		faults["prompt"] = []string{fmt.Sprintf("Invalid length: expected 1 to %d characters", maxPromptRunes)}
	}
	if _, known := findImageModel(request.Model); request.Model != "" && !known {
		faults["model"] = []string{fmt.Sprintf("Invalid model: %q", request.Model)}
	}
	if request.N != nil && *request.N != 1 {
		faults["n"] = []string{"Invalid input: expected 1"}
	}
	if _, _, ok := splitSize(request.Size); request.Size != "" && !ok {
		faults["size"] = []string{"Invalid input: expected WIDTHxHEIGHT"}
	}
	if request.Quality != "" && !slices.Contains([]string{"standard", "hd", "low", "medium", "high"}, request.Quality) {
		faults["quality"] = []string{`Invalid option: expected one of "standard"|"hd"|"low"|"medium"|"high"`}
	}
	if request.ResponseFormat != "" && request.ResponseFormat != "url" && request.ResponseFormat != "b64_json" {
		faults["response_format"] = []string{`Invalid option: expected one of "url"|"b64_json"`}
	}
	if request.Seed != nil && (*request.Seed < -1 || *request.Seed > maxSeed) {
		faults["seed"] = []string{fmt.Sprintf("Invalid input: expected -1 to %d", maxSeed)}
	}
	texts := map[string]string{
		"safe": request.Safe.text, "image": request.Image.text, "guidance_scale": request.Guidance.text, "reasoning": request.Reasoning.text,
	}
	request.options = readImageOptions(func(name string) string { return texts[name] }, header, faults)
	return request, faults, nil
}

// drawing turns a checked body into what is to be drawn.
func (b imageBody) drawing() (drawing, imageModel) {
	name := b.Model
	if name == "" {
		name = defaultImageModel
	}
	model, _ := findImageModel(name)
	d := drawing{
		Drawing: content.Drawing{Prompt: b.Prompt, Model: model.name, Transparent: b.Transparent && model.gpt, Vector: model.vector},
		options: b.options,
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

// decodeGateway decodes a body as the gateway does: unknown fields are
// dropped, a wrong type is a fault of its field, anything else of the body.
func decodeGateway(body []byte, into any, faults map[string][]string) *failure {
	err := json.Unmarshal(body, into)
	if err == nil {
		return nil
	}
	if field, message, ok := wrongType(err); ok {
		faults[field] = []string{message}
		return nil
	}
	return &failure{status: http.StatusBadRequest, code: "BAD_REQUEST", message: "Malformed JSON in request body"}
}
