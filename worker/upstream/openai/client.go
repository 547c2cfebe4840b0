package openai

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

const (
	maxImageBytes  = 32 << 20
	maxSpeechBytes = 96 << 20
	// budgetBytes bounds the memory for reading and decoding large images and audio.
	budgetBytes = 64 << 20
)

// Config has the settings of a Client.
type Config struct {
	// Name is the name of the upstream in errors and metrics.
	Name string
	// BaseURL is the base of the routes, usually with /v1 at its end. Setting names it in errors.
	BaseURL, Setting string
	// Key is sent in the Authorization header, and only to the host of BaseURL; empty sends none.
	Key string
	// NoSeed omits the seed, which OpenAI itself does not accept.
	NoSeed bool
	// HTTP sends the requests.
	HTTP *http.Client
	// Version is the version of this program for the User-Agent.
	Version string
	// Observe is called after every call; see upstream.Caller.
	Observe func(upstream string, status int, code string, took time.Duration)
}

// Client calls one service. It is safe for concurrent use.
type Client struct {
	caller  upstream.Caller
	foreign *http.Client
	base    *url.URL
	noSeed  bool
	recent  media.Recent
}

// New returns a client. If the URL is invalid or missing, it fails with an error that names the setting.
func New(cfg Config) (*Client, error) {
	base, err := ParseBase(cfg.Setting, cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	return &Client{
		caller: upstream.Caller{
			Upstream: cfg.Name, HTTP: cfg.HTTP, Key: cfg.Key, UserAgent: upstream.UserAgent(cfg.Version),
			Budget: upstream.NewBudget(budgetBytes), Observe: cfg.Observe,
		},
		foreign: newForeign(), base: base, noSeed: cfg.NoSeed,
	}, nil
}

// ParseBase parses a base URL, which may end in the path of a route. Its error names the setting and does not quote the
// value.
func ParseBase(setting, value string) (*url.URL, error) {
	base, err := upstream.ParseBase(setting, value, "/images/generations", "/audio/speech", "/chat/completions")
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(base)
	if err != nil || base == "" {
		return nil, upstream.Unset("", setting).Err
	}
	return u, nil
}

// ImageRequest is a request for an image.
type ImageRequest struct {
	Prompt, Negative string
	// Model is the service's name of the model.
	Model         string
	Width, Height int
	Seed          int64
	// Quality and Transparent are sent only to models that support them.
	Quality     string
	Transparent bool
}

// text returns the prompt to send. The API has no parameter for the negative prompt, so that it is appended.
func (r ImageRequest) text() string {
	prompt, negative := valid(r.Prompt), valid(r.Negative)
	if prompt == "" || negative == "" {
		return prompt
	}
	return prompt + ", avoid: " + negative
}

// SpeechRequest is a request for speech. Model and Voice are the service's names.
type SpeechRequest struct {
	Text, Model, Voice, Format string
	// Speed is sent unless it is 1; a service may ignore it.
	Speed float64
}

// valid returns a text without what JSON or a service cannot take.
func valid(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", ""))
}

// imageDocument is the body of an image request.
type imageDocument struct {
	Model          string `json:"model"`
	Prompt         string `json:"prompt"`
	N              int    `json:"n"`
	Size           string `json:"size,omitempty"`
	Seed           *int64 `json:"seed,omitempty"`
	ResponseFormat string `json:"response_format,omitempty"`
	Quality        string `json:"quality,omitempty"`
	Background     string `json:"background,omitempty"`
}

// Image generates an image with one call, and another one if the response has the URL of the image instead of the image. It
// fails with a *fault.Error.
func (c *Client) Image(ctx context.Context, r ImageRequest) (*media.Media, error) {
	prompt := r.text()
	if prompt == "" {
		return nil, upstream.Rejected(c.caller.Upstream, "prompt is empty")
	}
	body, err := json.Marshal(c.imageDocument(r, prompt))
	if err != nil {
		return nil, upstream.Rejected(c.caller.Upstream, "request cannot be encoded")
	}
	private := []string{prompt, r.Prompt, r.Negative}
	var found answer
	err = c.caller.Do(ctx, upstream.Request{
		Method: http.MethodPost, URL: c.route("/images/generations"), Accept: "application/json", JSON: body, Private: private,
		// Of the image in base64.
		MaxBytes: maxImageBytes/3*4 + 64<<10,
	}, func(resp *upstream.Response) error {
		if found, err = readAnswer(resp); err != nil || found.url != "" {
			return err
		}
		return c.check(&found, r)
	})
	if err == nil && found.url != "" {
		err = c.download(ctx, &found, r, private)
	}
	if err != nil {
		return nil, err
	}
	m := found.media
	m.Model, m.Seedless, m.Usage.ImageTokens = r.Model, c.noSeed || isGPTImage(r.Model), found.tokens
	return m, nil
}

func (c *Client) imageDocument(r ImageRequest, prompt string) imageDocument {
	d := imageDocument{Model: r.Model, Prompt: prompt, N: 1}
	if r.Width > 0 && r.Height > 0 {
		d.Size = sizeOf(r.Width, r.Height)
	}
	if isGPTImage(r.Model) {
		// These always return the image itself, and reject parameters that they do not know.
		if d.Quality = r.Quality; r.Transparent {
			d.Background = "transparent"
		}
		return d
	}
	d.ResponseFormat = "b64_json"
	if !c.noSeed {
		d.Seed = &r.Seed
	}
	return d
}

// check checks the image of an answer.
func (c *Client) check(a *answer, r ImageRequest) (err error) {
	if a.media, err = media.CheckImage(a.data); err != nil {
		return err
	}
	return c.recent.Check(a.media, r.text())
}

// speechDocument is the body of a speech request.
type speechDocument struct {
	Model          string  `json:"model"`
	Input          string  `json:"input"`
	Voice          string  `json:"voice"`
	ResponseFormat string  `json:"response_format"`
	Speed          float64 `json:"speed,omitempty"`
}

// Speech converts a text to speech with one call. The format of the result, given by its content type, may differ from the
// requested one. It fails with a *fault.Error.
func (c *Client) Speech(ctx context.Context, r SpeechRequest) (*media.Media, error) {
	d := speechDocument{Model: r.Model, Input: valid(r.Text), Voice: r.Voice, ResponseFormat: cmp.Or(r.Format, "mp3")}
	if d.Input == "" {
		return nil, upstream.Rejected(c.caller.Upstream, "text is empty")
	}
	if r.Speed != 1 {
		d.Speed = r.Speed
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, upstream.Rejected(c.caller.Upstream, "request cannot be encoded")
	}
	var m *media.Media
	err = c.caller.Do(ctx, upstream.Request{
		Method: http.MethodPost, URL: c.route("/audio/speech"), Accept: "audio/*", JSON: body, Private: []string{d.Input, r.Text},
		MaxBytes: maxSpeechBytes,
	}, func(resp *upstream.Response) error {
		m, err = readSpeech(resp, d.ResponseFormat)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.Model = r.Model
	return m, nil
}

func (c *Client) route(path string) string { return c.base.String() + path }

// isGPTImage reports whether a model is of OpenAI's family that has a quality and transparency, and no seed.
func isGPTImage(model string) bool {
	model = strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	return strings.HasPrefix(model, "gpt-image") || strings.HasPrefix(model, "chatgpt-image")
}
