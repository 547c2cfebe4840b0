package simulator

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

const (
	legacySeed      = 42
	legacySide      = 1024
	legacyMaxPixels = 2048 * 2048
)

// legacyParameters is what a failure repeats of the request.
type legacyParameters struct {
	Prompt      string `json:"prompt"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Seed        int64  `json:"seed"`
	Model       string `json:"model"`
	NoLogo      bool   `json:"nologo"`
	Private     bool   `json:"private"`
	Enhance     bool   `json:"enhance"`
	Safe        bool   `json:"safe"`
	Transparent bool   `json:"transparent"`
	Negative    string `json:"negative_prompt"`

	Image    []string    `json:"image,omitempty"`
	Guidance json.Number `json:"guidance_scale,omitempty"`
}

// legacyImageShort serves GET /{prompt}, which is one segment; the host knows
// no other path.
func (x *exchange) legacyImageShort() {
	if x.rest == "" || strings.Contains(x.rest, "/") {
		x.legacyNotFound()
		return
	}
	x.legacyImage()
}

// legacyImage serves GET /prompt/{prompt}.
func (x *exchange) legacyImage() {
	prompt, err := url.PathUnescape(x.rest)
	if err != nil || prompt == "" {
		x.refuse(failure{status: http.StatusBadRequest, message: "The prompt in the path is empty or badly escaped."})
		return
	}
	p, model := readLegacyQuery(x.query)
	p.Prompt = prompt
	x.params = p
	if !x.arrive(x.query.Get("model"), prompt, "") {
		return
	}
	d := p.drawing(model)
	if d.Seed < 0 {
		d.Seed = x.s.dice.seed()
	}
	// Kept by address whatever it says, a random seed included.
	art, from, err := x.picture(imageKey(x.r.URL.EscapedPath(), x.query), isTrue(x.query.Get("no-cache")), d, model)
	if err != nil {
		x.failedGeneration(err)
		return
	}
	x.sendLegacy(art, from)
}

// sendLegacy writes media with the headers of the legacy hosts.
func (x *exchange) sendLegacy(art *artifact, from origin) {
	x.legacyHeaders()
	header := x.w.Header()
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Disposition", `inline; filename="`+art.Filename+`"`)
	header.Set("X-Cache", from.verdict())
	header.Set("X-Auth-Status", "unauthenticated")
	header.Set("x-model-used", art.header["x-model-used"])
	if tokens := art.header["x-usage-completion-image-tokens"]; tokens != "" {
		header.Set("x-completion-image-tokens", tokens)
	}
	x.send(http.StatusOK, art.ContentType, art.Bytes)
}

// readLegacyQuery reads the query as the legacy host does: nothing is
// refused, what it cannot read is the default, and only the text "true" is
// true.
func readLegacyQuery(query url.Values) (legacyParameters, imageModel) {
	is := func(name string) bool { return query.Get(name) == "true" }
	number := func(name string, low, high, fallback int64) int64 {
		value, err := strconv.ParseInt(query.Get(name), 10, 64)
		if err != nil || value < low || value > high {
			return fallback
		}
		return value
	}
	model, known := findImageModel(query.Get("model"))
	if !known {
		model, _ = findImageModel("flux")
	}
	p := legacyParameters{
		Width: int(number("width", 1, math.MaxInt32, legacySide)), Height: int(number("height", 1, math.MaxInt32, legacySide)),
		Seed: number("seed", -1, maxSeed, legacySeed), Model: model.name, NoLogo: is("nologo"), Private: is("private"),
		Enhance: is("enhance"), Safe: is("safe"), Transparent: is("transparent"), Negative: query.Get("negative_prompt"),
	}
	if guidance, ok := readNumber(query.Get("guidance_scale")); ok {
		p.Guidance = json.Number(guidance)
	}
	p.Image = splitReferences(query.Get("image"))
	if p.Negative == "" {
		p.Negative = "worst quality, blurry"
	}
	return p, model
}

// drawing turns the parameters into what is drawn: always a JPEG, but for a
// clear sky, and of a size that the model can do.
func (p legacyParameters) drawing(model imageModel) drawing {
	d := drawing{Drawing: content.Drawing{Prompt: p.Prompt, Model: model.name, Seed: p.Seed, Width: p.Width, Height: p.Height, Transparent: p.Transparent && model.gpt}}
	d.options = imageOptions{references: p.Image, guidance: p.Guidance.String()}
	if !p.NoLogo {
		d.Logo = "pollinations.ai"
	}
	if p.Enhance {
		d.Prompt = content.Improve(p.Prompt)
	}
	d.Width, d.Height = scaleDown(d.Width, d.Height, legacyMaxPixels)
	return d
}

// scaleDown keeps the proportions of a size as far as it fits.
func scaleDown(width, height, pixels int) (fitWidth, fitHeight int) {
	width, height = min(width, maxSide), min(height, maxSide)
	if width*height <= pixels {
		return width, height
	}
	ratio := math.Sqrt(float64(pixels) / float64(width*height))
	return max(1, int(float64(width)*ratio)), max(1, int(float64(height)*ratio))
}
