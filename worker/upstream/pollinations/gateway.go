package pollinations

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// maxPromptInPath is the maximum length of an escaped prompt with reference image URLs in a request URL. The edge of the
// gateway rejects URLs of 8 KB, and proxies may reject shorter ones. A longer prompt is sent in a body.
const maxPromptInPath = 4 << 10

// gateway is the dialect of the authenticated gateway.
type gateway struct{}

func (gateway) speechModel(wanted string) string {
	if wanted == "" || wanted == chatSpeechModel {
		return DefaultSpeechModel
	}
	return wanted
}

// imageCall sends a short prompt that is not a route in the path, any other in a JSON document. The order of parameters
// is fixed, since the gateway recognizes a repeated request by its URL.
func (g gateway) imageCall(base string, r ImageRequest, maxBytes int64) (call, error) {
	prompt := r.text()
	if prompt == "" {
		return call{}, upstream.Rejected(job.UpstreamImage, "prompt is empty")
	}
	request := upstream.Request{
		Method:   http.MethodGet,
		Accept:   "image/*",
		Private:  r.private(),
		MaxBytes: maxBytes,
	}
	if r.hasData() {
		// Of a request with images the gateway keeps no copy, so that a repeated one is billed again.
		return g.documentCall(base+"/v1/images/edits", r, prompt, request)
	}
	segment, references := url.PathEscape(prompt), r.references()
	if len(segment)+len(url.QueryEscape(references)) > maxPromptInPath || changesInPath(prompt) || isRoute(prompt, gatewayImageRoutes()) {
		return g.documentCall(base+"/v1/images/generations", r, prompt, request)
	}
	query := url.Values{"model": {r.Model}, "seed": {strconv.FormatInt(r.Seed, 10)}}
	if r.Width > 0 {
		query.Set("width", strconv.Itoa(r.Width))
	}
	if r.Height > 0 {
		query.Set("height", strconv.Itoa(r.Height))
	}
	for name, value := range map[string]string{
		"safe": r.Safe, "image": references, "guidance_scale": r.guidance(), "reasoning": r.Reasoning,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if isGPTImage(r.Model) {
		if r.Quality != "" {
			query.Set("quality", r.Quality)
		}
		if r.Transparent {
			query.Set("transparent", "true")
		}
	}
	request.URL = base + "/image/" + segment + "?" + query.Encode()
	return call{Request: request}, nil
}

// imageDocument is the body of an image request.
type imageDocument struct {
	Prompt         string   `json:"prompt"`
	Model          string   `json:"model"`
	N              int      `json:"n"`
	Size           string   `json:"size,omitempty"`
	Seed           int64    `json:"seed"`
	ResponseFormat string   `json:"response_format"`
	Quality        string   `json:"quality,omitempty"`
	Transparent    bool     `json:"transparent,omitempty"`
	Safe           string   `json:"safe,omitempty"`
	Image          any      `json:"image,omitempty"`
	GuidanceScale  *float64 `json:"guidance_scale,omitempty"`
	Reasoning      string   `json:"reasoning,omitempty"`
}

// editImage is a reference image in the document of an edit.
type editImage struct {
	URL string `json:"image_url"`
}

// documentCall sends the request in a JSON document: to the route of generations, which takes reference images as one string of
// URLs, or to that of edits, which takes a list whose URLs may contain the images. The latter also accepts forms, but ignores the
// seed in these.
func (gateway) documentCall(target string, r ImageRequest, prompt string, request upstream.Request) (call, error) {
	document := imageDocument{
		Prompt: prompt, Model: r.Model, N: 1, Seed: r.Seed, ResponseFormat: "b64_json",
		Safe: r.Safe, GuidanceScale: r.GuidanceScale, Reasoning: r.Reasoning,
	}
	switch {
	case r.hasData():
		images := make([]editImage, len(r.ReferenceImages))
		for i, reference := range r.ReferenceImages {
			images[i].URL = reference
		}
		document.Image = images
	case len(r.ReferenceImages) > 0:
		document.Image = r.references()
	}
	if r.Width > 0 && r.Height > 0 {
		document.Size = fmt.Sprintf("%dx%d", r.Width, r.Height)
	}
	if isGPTImage(r.Model) {
		document.Quality, document.Transparent = r.Quality, r.Transparent
	}
	body, err := json.Marshal(document)
	if err != nil {
		return call{}, upstream.Rejected(job.UpstreamImage, "request cannot be encoded")
	}
	request.Method = http.MethodPost
	request.URL = target
	request.Accept = "application/json"
	request.JSON = body
	request.MaxBytes = base64Limit(request.MaxBytes)
	return call{Request: request, inJSON: true}, nil
}

// speechDocument is the body of a speech request. It has no speed: the gateway accepts one and ignores it.
type speechDocument struct {
	Model          string `json:"model"`
	Input          string `json:"input"`
	Voice          string `json:"voice"`
	ResponseFormat string `json:"response_format"`
}

func (gateway) speechCall(base string, r SpeechRequest, maxBytes int64) (call, error) {
	input := r.text()
	if input == "" {
		return call{}, upstream.Rejected(job.UpstreamSpeech, "text is empty")
	}
	body, err := json.Marshal(speechDocument{Model: r.Model, Input: input, Voice: r.Voice, ResponseFormat: r.Format})
	if err != nil {
		return call{}, upstream.Rejected(job.UpstreamSpeech, "request cannot be encoded")
	}
	return call{Request: upstream.Request{
		Method:   http.MethodPost,
		URL:      base + "/v1/audio/speech",
		Accept:   "audio/*",
		JSON:     body,
		Private:  []string{input},
		MaxBytes: maxBytes,
	}}, nil
}

// isGPTImage reports whether the model supports quality and transparency; others may reject the parameters.
func isGPTImage(model string) bool {
	model = strings.ToLower(model)
	if slash := strings.LastIndexByte(model, '/'); slash >= 0 {
		model = model[slash+1:]
	}
	return strings.HasPrefix(model, "gptimage") || strings.HasPrefix(model, "gpt-image")
}

func (gateway) imageList(base string) string  { return base + "/image/models" }
func (gateway) speechList(base string) string { return base + "/audio/models" }
