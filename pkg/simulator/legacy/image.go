package legacy

import (
	"cmp"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/phrase"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/pollinations"
)

const (
	defaultSeed = 42
	defaultSide = 1024
	maxPixels   = 2048 * 2048
)

// parameters is what a failure repeats of the request.
type parameters struct {
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

// imageShort serves GET /{prompt}; the prompt is a single segment, and the host has
// no other paths.
func imageShort(x *kit.Exchange) {
	if x.Rest == "" || strings.Contains(x.Rest, "/") {
		notFound(x)
		return
	}
	image(x)
}

// image serves GET /prompt/{prompt}.
func image(x *kit.Exchange) {
	prompt, err := url.PathUnescape(x.Rest)
	if err != nil || prompt == "" {
		x.Fail(kit.Failure{Status: http.StatusBadRequest, Message: "The prompt in the path is empty or badly escaped."})
		return
	}
	p, model := readQuery(x.Query)
	p.Prompt = prompt
	x.Parameters = p
	if !x.Arrive(x.Query.Get("model"), prompt, "") {
		return
	}
	d := p.drawing(model)
	if d.Seed < 0 {
		d.Seed = x.Server.RandomSeed()
	}
	// Cached by URL in any case, even with a random seed.
	key, fresh := pollinations.ImageKey(x.Request.URL.EscapedPath(), x.Query), pollinations.IsTrue(x.Query.Get("no-cache"))
	if art, origin := pollinations.GenerateImage(x, key, fresh, d, model); art != nil {
		sendArtifact(x, art, origin)
	}
}

// sendArtifact sends media with the headers of the legacy hosts.
func sendArtifact(x *kit.Exchange, art *kit.Artifact, origin kit.Origin) {
	setHeaders(x)
	header := x.Header()
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Content-Disposition", `inline; filename="`+art.Filename+`"`)
	header.Set("X-Cache", origin.Verdict())
	header.Set("X-Auth-Status", "unauthenticated")
	header.Set("x-model-used", art.Header["x-model-used"])
	if tokens := art.Header["x-usage-completion-image-tokens"]; tokens != "" {
		header.Set("x-completion-image-tokens", tokens)
	}
	x.Send(http.StatusOK, art.ContentType, art.Bytes)
}

// readQuery reads the query as the legacy host does: it rejects nothing, invalid
// values become defaults, and only the text "true" is true.
func readQuery(query url.Values) (parameters, pollinations.ImageModel) {
	is := func(name string) bool { return query.Get(name) == "true" }
	number := func(name string, low, high, fallback int64) int64 {
		value, err := strconv.ParseInt(query.Get(name), 10, 64)
		if err != nil || value < low || value > high {
			return fallback
		}
		return value
	}
	model, known := pollinations.FindImageModel(query.Get("model"))
	if !known {
		model, _ = pollinations.FindImageModel("flux")
	}
	p := parameters{
		Width: int(number("width", 1, math.MaxInt32, defaultSide)), Height: int(number("height", 1, math.MaxInt32, defaultSide)),
		Seed: number("seed", -1, pollinations.MaxSeed, defaultSeed), Model: model.Name, NoLogo: is("nologo"), Private: is("private"),
		Enhance: is("enhance"), Safe: is("safe"), Transparent: is("transparent"), Negative: query.Get("negative_prompt"),
	}
	if guidance, ok := pollinations.ReadNumber(query.Get("guidance_scale")); ok {
		p.Guidance = json.Number(guidance)
	}
	p.Image = pollinations.SplitReferences(query.Get("image"))
	p.Negative = cmp.Or(p.Negative, "worst quality, blurry")
	return p, model
}

// drawing returns the image that the parameters describe: a JPEG, unless it is
// transparent, of a size that the model supports.
func (p parameters) drawing(model pollinations.ImageModel) pollinations.Drawing {
	d := pollinations.Drawing{Drawing: content.Drawing{
		Prompt: p.Prompt, Model: model.Name, Seed: p.Seed, Width: p.Width, Height: p.Height, Transparent: p.Transparent && model.GPT,
	}}
	d.Options = pollinations.ImageOptions{References: p.Image, Guidance: p.Guidance.String()}
	if !p.NoLogo {
		d.Logo = "pollinations.ai"
	}
	if p.Enhance {
		d.Prompt = phrase.Improve(p.Prompt)
	}
	d.Width, d.Height = scaleDown(d.Width, d.Height, maxPixels)
	return d
}

// scaleDown reduces a size to a number of pixels and keeps its proportions.
func scaleDown(width, height, pixels int) (fitWidth, fitHeight int) {
	width, height = min(width, pollinations.MaxSide), min(height, pollinations.MaxSide)
	if width*height <= pixels {
		return width, height
	}
	ratio := math.Sqrt(float64(pixels) / float64(width*height))
	return max(1, int(float64(width)*ratio)), max(1, int(float64(height)*ratio))
}
