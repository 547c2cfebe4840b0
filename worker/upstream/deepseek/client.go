package deepseek

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	urlSetting       = "DEEPSEEK_API_URL"
	route            = "/chat/completions"
	maxResponseBytes = 2 << 20
	// defaultIdle is longer than for media: under load a stream has only keep-alives until the request is processed.
	defaultIdle = time.Minute
)

// Config has the settings of a Client.
type Config struct {
	// Name is the name of the upstream in errors and metrics; job.UpstreamLanguage if empty.
	Name string
	// URLSetting and ModelSetting are the names of URL and Model in errors; those of the variables if empty.
	URLSetting, ModelSetting string
	// Plain omits the parameters that switch thinking off, which only DeepSeek and SiliconFlow know.
	Plain bool
	// URL is DEEPSEEK_API_URL: a base URL with or without a version, or the full URL of chat completions. If it is empty,
	// calls fail as misconfigured.
	URL string
	// Key is sent in the Authorization header only.
	Key string
	// Model defaults to DefaultModel, or DefaultSiliconFlowModel at SiliconFlow. A retired name is replaced, with a
	// warning in the log.
	Model string
	// HTTP sends the requests; nil means a client with a new upstream.NewTransport.
	HTTP   *http.Client
	Logger *slog.Logger
	// Version is the version of this program for the User-Agent.
	Version string
	// Observe is called after every call; see upstream.Caller.
	Observe func(upstream string, status int, code string, took time.Duration)

	// idle is set by tests only; 0 means defaultIdle.
	idle time.Duration
}

// Client calls the language model. It is safe for concurrent use.
type Client struct {
	caller      upstream.Caller
	url         string
	model       string
	siliconFlow bool
	plain       bool
	// settings are the names of the URL and the model.
	settings [2]string
	// noThinking is set if the model does not support the parameter for thinking.
	noThinking atomic.Bool
}

// Completion is the response of the model.
type Completion struct {
	// Text is the response without headings, quotation marks and the like around it. It is never empty.
	Text string
	// PromptTokens and CompletionTokens are the billed tokens; 0 if the response has no usage.
	PromptTokens, CompletionTokens int
}

// New returns a client. If the URL is invalid, it fails with an error that names the setting.
func New(cfg Config) (*Client, error) {
	cfg.Name = cmp.Or(cfg.Name, job.UpstreamLanguage)
	cfg.URLSetting, cfg.ModelSetting = cmp.Or(cfg.URLSetting, urlSetting), cmp.Or(cfg.ModelSetting, modelSetting)
	base, err := upstream.ParseBase(cfg.URLSetting, cfg.URL, route)
	if err != nil {
		return nil, err
	}
	siliconFlow := isSiliconFlow(base, cfg.Model)
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: upstream.NewTransport(upstream.Options{})}
	}
	c := &Client{
		caller: upstream.Caller{
			Upstream:  cfg.Name,
			HTTP:      cfg.HTTP,
			Key:       cfg.Key,
			UserAgent: upstream.UserAgent(cfg.Version),
			Idle:      cmp.Or(cfg.idle, defaultIdle),
			Observe:   cfg.Observe,
		},
		model:       currentModel(cfg.Model, siliconFlow, cfg.Logger),
		siliconFlow: siliconFlow,
		settings:    [2]string{cfg.URLSetting, cfg.ModelSetting},
	}
	if c.plain = cfg.Plain; c.plain {
		c.model = cfg.Model
		c.noThinking.Store(true)
	}
	if base != "" {
		c.url = withVersion(base) + route
	}
	return c, nil
}

// Improve rewrites a description into a prompt for an image model, in English, with one streamed call. If onText is not
// nil, it is called with the text so far, cleaned like the result, at most five times a second and once more at the end.
// Reading the response waits for it. If Improve fails, that text is void.
//
// It fails with a *fault.Error, also if the response has no usable text.
func (c *Client) Improve(ctx context.Context, text string, onText func(soFar string)) (Completion, error) {
	return c.complete(ctx, improvement(), text, onText)
}

// Translate translates a text into English, or an English text into Chinese. Otherwise it is like Improve.
func (c *Client) Translate(ctx context.Context, text string, onText func(soFar string)) (Completion, error) {
	return c.complete(ctx, translation(), text, onText)
}

func (c *Client) complete(ctx context.Context, t task, text string, onText func(string)) (Completion, error) {
	if c.url == "" {
		return Completion{}, upstream.Unset(c.caller.Upstream, c.settings[0])
	}
	text = printable(text)
	if text == "" {
		return Completion{}, upstream.Rejected(c.caller.Upstream, "text is empty")
	}
	body, err := json.Marshal(c.request(t, text))
	if err != nil {
		return Completion{}, upstream.Rejected(c.caller.Upstream, "request cannot be encoded")
	}
	callback := &throttledCallback{call: onText, clean: func(raw string) string { return t.clean(raw, text) }}
	var reply *reply
	err = c.caller.Do(ctx, upstream.Request{
		Method:   http.MethodPost,
		URL:      c.url,
		Accept:   "text/event-stream, application/json",
		JSON:     body,
		Private:  []string{text},
		MaxBytes: maxResponseBytes,
		Quiet:    true,
		Amend:    c.amend,
	}, func(resp *upstream.Response) error {
		if reply, err = readReply(resp, callback.update); err != nil {
			return err
		}
		reply.cleaned = callback.clean(reply.text())
		return reply.check()
	})
	if err != nil {
		return Completion{}, err
	}
	callback.finish(reply.cleaned)
	return Completion{
		Text: reply.cleaned, PromptTokens: reply.usage.Prompt, CompletionTokens: reply.usage.Completion,
	}, nil
}
