package deepseek

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	urlSetting     = "DEEPSEEK_API_URL"
	route          = "/chat/completions"
	maxAnswerBytes = 2 << 20
	// defaultIdle is longer than for media: under load a stream only keeps alive until it is this request's turn.
	defaultIdle = time.Minute
)

// Config has the URL of the language model and how to call it.
type Config struct {
	// URL is DEEPSEEK_API_URL: a base URL with or without a version, or the full URL of chat completions. Calls to an
	// empty one fail as misconfigured.
	URL string
	// Key is sent in the Authorization header only.
	Key string
	// Model defaults to DefaultModel, or to DefaultSiliconFlowModel there. A retired name is replaced, with one warning in
	// the log.
	Model string
	// HTTP sends the requests; nil means a client over a new upstream.NewTransport.
	HTTP   *http.Client
	Logger *slog.Logger
	// Version is this program's, for the User-Agent.
	Version string
	// Observe is called after every exchange; see upstream.Caller.
	Observe func(upstream string, status int, code string, took time.Duration)

	// Tests set what follows. The host decides the dialect, and defaultIdle holds, where they are empty.
	dialect string
	idle    time.Duration
}

// Client calls the language model. It is safe for concurrent use.
type Client struct {
	caller  upstream.Caller
	url     string
	model   string
	dialect string
	// plain says that the model does not support the parameter for thinking.
	plain atomic.Bool
}

// Completion is the response of the model.
type Completion struct {
	// Text is the response without what models wrap around it; it is never empty.
	Text string
	// Raw is the response as it came.
	Raw string
	// Model is the one that answered, as it calls itself.
	Model string
	// PromptTokens and CompletionTokens are what is billed; 0 when the response did not say.
	PromptTokens, CompletionTokens int
	// CachedTokens are those of PromptTokens that the upstream remembered, which cost less.
	CachedTokens int
}

// New returns a client. It fails, naming the setting, if the URL is invalid.
func New(cfg Config) (*Client, error) {
	base, err := upstream.ParseBase(urlSetting, cfg.URL, route)
	if err != nil {
		return nil, err
	}
	dialect, err := dialectOf(cfg.dialect, base, cfg.Model)
	if err != nil {
		return nil, err
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: upstream.NewTransport(upstream.Options{})}
	}
	c := &Client{
		caller: upstream.Caller{
			Upstream:  job.UpstreamLanguage,
			HTTP:      cfg.HTTP,
			Key:       cfg.Key,
			UserAgent: upstream.UserAgent(cfg.Version),
			Idle:      cmp.Or(cfg.idle, defaultIdle),
			Observe:   cfg.Observe,
		},
		model:   currentModel(cfg.Model, dialect, cfg.Logger),
		dialect: dialect,
	}
	if base != "" {
		c.url = withVersion(base) + route
	}
	return c, nil
}

// Improve rewrites a description into a prompt for an image model, in English. It costs one streamed call. If onText is
// not nil, it is called with the text so far, cleaned like the result, at most five times a second and once more at the
// end; reading the response waits while it runs. When Improve fails, that text is void.
//
// It fails with a *fault.Error, also when the response has no usable text.
func (c *Client) Improve(ctx context.Context, text string, onText func(soFar string)) (Completion, error) {
	return c.complete(ctx, improvement(), text, onText)
}

// Translate translates a text into English, or into Chinese if it is English already. Otherwise it is like Improve.
func (c *Client) Translate(ctx context.Context, text string, onText func(soFar string)) (Completion, error) {
	return c.complete(ctx, translation(), text, onText)
}

func (c *Client) complete(ctx context.Context, t task, text string, onText func(string)) (Completion, error) {
	if c.url == "" {
		return Completion{}, upstream.Unset(job.UpstreamLanguage, urlSetting)
	}
	text = printable(text)
	if text == "" {
		return Completion{}, rejected("text is empty")
	}
	body, err := json.Marshal(c.request(t, text))
	if err != nil {
		return Completion{}, rejected("request cannot be encoded")
	}
	teller := &throttledCallback{tell: onText, clean: func(raw string) string { return t.clean(raw, text) }}
	var reply *reply
	err = c.caller.Do(ctx, upstream.Request{
		Method:   http.MethodPost,
		URL:      c.url,
		Accept:   "text/event-stream, application/json",
		JSON:     body,
		Private:  []string{text},
		MaxBytes: maxAnswerBytes,
		Quiet:    true,
		Amend:    c.amend,
	}, func(a *upstream.Response) error {
		if reply, err = readReply(a, teller.update); err != nil {
			return err
		}
		reply.cleaned = teller.clean(reply.text())
		return reply.check()
	})
	if err != nil {
		return Completion{}, err
	}
	teller.finish(reply.cleaned)
	model := reply.model
	if model == "" {
		model = c.model
	}
	return Completion{
		Text:             reply.cleaned,
		Raw:              reply.text(),
		Model:            model,
		PromptTokens:     reply.usage.Prompt,
		CompletionTokens: reply.usage.Completion,
		CachedTokens:     reply.usage.cached(),
	}, nil
}

func rejected(reason string) *fault.Error {
	return &fault.Error{
		Upstream: job.UpstreamLanguage, Class: fault.Permanent, Code: job.CodeRejected, Err: errors.New(reason),
	}
}
