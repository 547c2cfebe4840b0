package pollinations

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	imageSetting  = "POLLINATIONS_IMAGE_API_BASE"
	speechSetting = "POLLINATIONS_TEXT_API_BASE"
)

const (
	// chatSpeechModel was once the model for speech. The gateway now knows it as a chat model only, which refuses to read.
	chatSpeechModel = "openai-audio"
	// maxPromptInPath is the length of an escaped prompt from which on it travels in a body: the gateway's edge refuses
	// addresses of 8 KB, and proxies may refuse shorter ones.
	maxPromptInPath = 4 << 10
)

// gateway is the dialect of the authenticated gateway: how a request is spelled on the wire.
type gateway struct{ imageBase, speechBase string }

// call is a request together with the form of its answer.
type call struct {
	upstream.Request
	// inJSON says that the picture comes inside a JSON document.
	inJSON bool
}

// newGateway reads both addresses. Operators of the older interface wrote them with a route's path at the end.
func newGateway(image, speech string) (gateway, error) {
	endings := []string{
		"/v1", "/image", "/prompt", "/audio", "/text", "/images/generations", "/audio/speech", "/chat/completions", "/openai",
	}
	var g gateway
	var err error
	if g.imageBase, err = upstream.ParseBase(imageSetting, image, endings...); err != nil {
		return gateway{}, err
	}
	if g.speechBase, err = upstream.ParseBase(speechSetting, speech, endings...); err != nil {
		return gateway{}, err
	}
	return g, nil
}

// picture spells an image request: by path where the prompt is short enough, else as a document. The parameters are in a
// fixed order, since the address is what the gateway recognises a repetition by.
func (g gateway) picture(r ImageRequest, maxBytes int64) (call, error) {
	prompt := r.words()
	if prompt == "" {
		return call{}, refused(upstream.PollinationsImage, "prompt is empty")
	}
	request := upstream.Request{
		Method:    http.MethodGet,
		Accept:    "image/*",
		Private:   []string{prompt, r.Prompt, r.Negative},
		MaxAnswer: maxBytes,
	}
	segment := url.PathEscape(prompt)
	// A segment of dots is a step in a path, however it is escaped.
	if len(segment) > maxPromptInPath || strings.Trim(segment, ".") == "" {
		return g.longPicture(r, prompt, request)
	}
	query := url.Values{"model": {r.Model}, "seed": {strconv.FormatInt(r.Seed, 10)}}
	if r.Width > 0 {
		query.Set("width", strconv.Itoa(r.Width))
	}
	if r.Height > 0 {
		query.Set("height", strconv.Itoa(r.Height))
	}
	if drawsWithGPT(r.Model) {
		if r.Quality != "" {
			query.Set("quality", r.Quality)
		}
		if r.Transparent {
			query.Set("transparent", "true")
		}
	}
	request.URL = g.imageBase + "/image/" + segment + "?" + query.Encode()
	return call{Request: request}, nil
}

// generation is the document of an image request.
type generation struct {
	Prompt         string `json:"prompt"`
	Model          string `json:"model"`
	N              int    `json:"n"`
	Size           string `json:"size,omitempty"`
	Seed           int64  `json:"seed"`
	ResponseFormat string `json:"response_format"`
	Quality        string `json:"quality,omitempty"`
	Transparent    bool   `json:"transparent,omitempty"`
}

func (g gateway) longPicture(r ImageRequest, prompt string, request upstream.Request) (call, error) {
	document := generation{Prompt: prompt, Model: r.Model, N: 1, Seed: r.Seed, ResponseFormat: "b64_json"}
	if r.Width > 0 && r.Height > 0 {
		document.Size = fmt.Sprintf("%dx%d", r.Width, r.Height)
	}
	if drawsWithGPT(r.Model) {
		document.Quality, document.Transparent = r.Quality, r.Transparent
	}
	body, err := json.Marshal(document)
	if err != nil {
		return call{}, refused(upstream.PollinationsImage, "request cannot be encoded")
	}
	request.Method = http.MethodPost
	request.URL = g.imageBase + "/v1/images/generations"
	request.Accept = "application/json"
	request.JSON = body
	// Base64 is a third longer than what it carries; the rest is room for the document around it.
	request.MaxAnswer = request.MaxAnswer/3*4 + 64<<10
	return call{Request: request, inJSON: true}, nil
}

// utterance is the document of a speech request.
type utterance struct {
	Model          string  `json:"model"`
	Input          string  `json:"input"`
	Voice          string  `json:"voice"`
	ResponseFormat string  `json:"response_format"`
	Speed          float64 `json:"speed,omitempty"`
}

func (g gateway) recording(r SpeechRequest, maxBytes int64) (call, error) {
	input := strings.TrimSpace(strings.ToValidUTF8(r.Text, "\uFFFD"))
	if input == "" {
		return call{}, refused(upstream.PollinationsSpeech, "text is empty")
	}
	document := utterance{Model: r.Model, Input: input, Voice: r.Voice, ResponseFormat: r.Format}
	if r.Speed != 1 {
		document.Speed = r.Speed
	}
	body, err := json.Marshal(document)
	if err != nil {
		return call{}, refused(upstream.PollinationsSpeech, "request cannot be encoded")
	}
	return call{Request: upstream.Request{
		Method:    http.MethodPost,
		URL:       g.speechBase + "/v1/audio/speech",
		Accept:    "audio/*",
		JSON:      body,
		Private:   []string{input},
		MaxAnswer: maxBytes,
	}}, nil
}

// drawsWithGPT says whether the model knows quality and transparency; the others may refuse them.
func drawsWithGPT(model string) bool {
	model = strings.ToLower(model)
	if slash := strings.LastIndexByte(model, '/'); slash >= 0 {
		model = model[slash+1:]
	}
	return strings.HasPrefix(model, "gptimage") || strings.HasPrefix(model, "gpt-image")
}

// refused returns the fault of a request that is not worth sending.
func refused(name, reason string) *upstream.Fault {
	return &upstream.Fault{Upstream: name, Class: upstream.Permanent, Code: upstream.CodeRejected, Err: errors.New(reason)}
}
