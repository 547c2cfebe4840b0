package pollinations

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// Config has the settings of a Client.
type Config struct {
	// BaseURL is POLLINATIONS_IMAGE_API_BASE and SpeechBaseURL is POLLINATIONS_TEXT_API_BASE, with or without a trailing
	// slash, a version or the path of a route. If one is empty, its calls fail as misconfigured.
	BaseURL       string
	SpeechBaseURL string
	// ImageName and SpeechName are the names of the services in errors and metrics; those of job.Upstreams if empty.
	ImageName, SpeechName string
	// ImageSetting and SpeechSetting are the names of the base URLs in errors; those of the variables if empty.
	ImageSetting, SpeechSetting string
	// ImageStyle and SpeechStyle are StyleGen or StyleLegacy; if empty, the hosts decide.
	ImageStyle  string
	SpeechStyle string
	// Gate limits the calls to the legacy services; nil allows all.
	Gate Gate
	// Token is the key of the gateway. It is sent in the Authorization header only, and never to a legacy service.
	Token string
	// HTTP sends the requests; nil means a client with a new upstream.NewTransport.
	HTTP   *http.Client
	Logger *slog.Logger
	// Version is the version of this program for the User-Agent.
	Version string
	// Observe is called after every call; see upstream.Caller.
	Observe func(upstream string, status int, code string, took time.Duration)

	hooks hooks
}

// hooks are set by tests only. Values other than 0 replace their defaults.
type hooks struct {
	maxImageBytes, maxSpeechBytes int64
	idle                          time.Duration
}

// Client calls both services. It is safe for concurrent use.
type Client struct {
	image          service
	speech         service
	maxImageBytes  int64
	maxSpeechBytes int64
	budget         *upstream.Budget
	logger         *slog.Logger
	retired        sync.Once
	// placeholders are the known error images.
	placeholders []placeholder
	recent       media.Recent
}

const (
	maxImageBytes = 32 << 20
	// maxSpeechBytes is enough for ten thousand characters: a quarter of an hour of speech, which is 83 MiB of samples at
	// the highest usual rate.
	maxSpeechBytes = 96 << 20
	// budgetBytes bounds the memory for reading and processing large images and audio.
	budgetBytes = 64 << 20
)

// New returns a client. If a URL or a style is invalid, it fails with an error that names the setting.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: upstream.NewTransport(upstream.Options{})}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	budget := upstream.NewBudget(budgetBytes)
	image, err := newService(cfg, budget, identity{
		job.UpstreamImage, cmp.Or(cfg.ImageName, job.UpstreamImage), cmp.Or(cfg.ImageSetting, imageSetting), imageStyleSetting,
	}, cfg.BaseURL, cfg.ImageStyle)
	if err != nil {
		return nil, err
	}

	speech, err := newService(cfg, budget, identity{
		job.UpstreamSpeech, cmp.Or(cfg.SpeechName, job.UpstreamSpeech), cmp.Or(cfg.SpeechSetting, speechSetting), speechStyleSetting,
	}, cfg.SpeechBaseURL, cfg.SpeechStyle)
	if err != nil {
		return nil, err
	}

	return &Client{
		image:          image,
		speech:         speech,
		maxImageBytes:  cmp.Or(cfg.hooks.maxImageBytes, maxImageBytes),
		maxSpeechBytes: cmp.Or(cfg.hooks.maxSpeechBytes, maxSpeechBytes),
		budget:         budget,
		logger:         cfg.Logger,
		placeholders:   []placeholder{knownPlaceholder},
	}, nil
}

// identity has the names of a service: the upstream that it is, its own name, and its settings.
type identity struct{ upstream, name, setting, styleSetting string }

// newService returns one of the services. Only it chooses a dialect.
func newService(cfg Config, budget *upstream.Budget, id identity, rawURL, style string) (service, error) {
	base, err := parseBase(id.setting, rawURL)
	if err != nil {
		return service{}, err
	}
	chosen, err := chooseDialect(id.styleSetting, style, base)
	if err != nil {
		return service{}, err
	}
	_, old := chosen.(legacy)
	if old {
		// The legacy services have no keys, and refuse calls with one.
		cfg.Token = ""
	}
	return service{
		caller: upstream.Caller{
			Upstream:  id.name,
			HTTP:      cfg.HTTP,
			Key:       cfg.Token,
			UserAgent: upstream.UserAgent(cfg.Version),
			Idle:      cfg.hooks.idle,
			Budget:    budget,
			Observe:   cfg.Observe,
		},
		base:    base,
		setting: id.setting,
		kind:    id.upstream,
		dialect: chosen,
		legacy:  old,
		gate:    cfg.Gate,
	}, nil
}

// MaxPromptBytes returns the maximum length of an image's escaped prompt, negative prompt and reference image URLs
// together; 0 if the service also accepts them in a body.
func (c *Client) MaxPromptBytes() int {
	if c.image.legacy {
		return maxLegacyPrompt
	}
	return 0
}

// Media is an image or speech that passed all checks.
type Media = media.Media

// Image generates an image. Equal requests have equal URLs, so that a repeated request joins a running generation and is
// billed once. A negative prompt is appended to the prompt if the service has no parameter for it. It fails with a
// *fault.Error, or with the error of a Gate. The memory is bounded by the limit of a response, plus half of it for a long
// prompt.
func (c *Client) Image(ctx context.Context, r ImageRequest) (*Media, error) {
	if c.image.base == "" {
		return nil, upstream.Unset(c.image.caller.Upstream, c.image.setting)
	}
	if r.Model == "" {
		r.Model = DefaultImageModel
	}
	call, err := c.image.dialect.imageCall(c.image.base, r, c.maxImageBytes)
	if err != nil {
		return nil, err
	}
	var m *Media
	err = c.image.do(ctx, call, func(resp *upstream.Response) error {
		m, err = c.readImage(resp, call.inJSON)
		if err != nil {
			return err
		}
		return c.checkDuplicate(r, m)
	})
	if err != nil {
		return nil, err
	}
	if m.Model == "" {
		m.Model = r.Model
	}
	return m, nil
}

// Speech converts a text to speech. The format of the result, given by its content type, may differ from the requested
// one if the model supports only one. A speed other than 1 is applied here to a WAV file, which takes CPU time, and is
// rejected for formats other than wav and pcm. Raw PCM samples are also taken from a WAV file, whose header has their
// rate, and FLAC is encoded from WAV for models that return PCM instead. It fails with a *fault.Error, or with the error
// of a Gate.
func (c *Client) Speech(ctx context.Context, r SpeechRequest) (*Media, error) {
	if c.speech.base == "" {
		return nil, upstream.Unset(c.speech.caller.Upstream, c.speech.setting)
	}
	r = r.withDefaults()
	model := c.speech.dialect.speechModel(r.Model)
	if r.Model == chatSpeechModel && model != r.Model {
		c.retired.Do(func() {
			c.logger.WarnContext(ctx, "speech model is no longer available, using another one",
				"model", r.Model, "replaced_by", model)
		})
	}
	r.Model = model
	wanted := r.Format
	if r.Speed != 1 {
		if err := checkSpeed(r); err != nil {
			return nil, err
		}
	}
	if r.Format == "pcm" || r.Speed != 1 || r.Format == "flac" && returnsPCM(r.Model) {
		r.Format = "wav"
	}
	call, err := c.speech.dialect.speechCall(c.speech.base, r, c.maxSpeechBytes)
	if err != nil {
		return nil, err
	}
	var m *Media
	err = c.speech.do(ctx, call, func(resp *upstream.Response) error {
		m, err = readSpeech(resp, r, wanted, call.inJSON)
		return err
	})
	if err != nil {
		return nil, err
	}
	if m.Model == "" {
		m.Model = r.Model
	}
	switch {
	case r.Speed != 1:
		if err := c.changeSpeed(ctx, m, r.Speed, wanted); err != nil {
			return nil, err
		}
	case wanted == "pcm":
		unwrapPCM(m)
	case wanted == "flac":
		if err := c.compressFLAC(ctx, m); err != nil {
			return nil, err
		}
	}
	return m, nil
}
