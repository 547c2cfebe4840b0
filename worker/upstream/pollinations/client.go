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
)

// Config has the URLs of the services and how to call them.
type Config struct {
	// BaseURL is POLLINATIONS_IMAGE_API_BASE and SpeechBaseURL is POLLINATIONS_TEXT_API_BASE, with or without a trailing
	// slash, a version or the path of a route. Calls to an empty one fail as misconfigured.
	BaseURL       string
	SpeechBaseURL string
	// ImageStyle and SpeechStyle are StyleGen or StyleLegacy; when empty they follow from the hosts.
	ImageStyle  string
	SpeechStyle string
	// Gate limits the calls to a legacy service. Default one of this client's own, which knows no other process.
	Gate Gate
	// Token is the gateway's key. It is sent in the Authorization header only, and never to a legacy service.
	Token string
	// HTTP sends the requests; nil means a client over a new upstream.NewTransport.
	HTTP   *http.Client
	Logger *slog.Logger
	// Version is this program's, for the User-Agent.
	Version string
	// Observe is called after every exchange; see upstream.Caller.
	Observe func(upstream string, status int, code string, took time.Duration)

	hooks hooks
}

// hooks are what tests change; each replaces its default where it is not 0.
type hooks struct {
	maxImageBytes, maxSpeechBytes int64
	imageSpacing, speechSpacing   time.Duration
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
	// placeholders are the MD5 sums of images that stand for an error.
	placeholders []string
	recent       recent
}

const (
	maxImageBytes = 32 << 20
	// maxSpeechBytes allows for ten thousand characters: reading them takes a quarter of an hour, which is 83 MiB of
	// samples at the highest usual rate.
	maxSpeechBytes = 96 << 20
	// budgetBytes bounds what large images and recordings hold in memory together while they are read and processed.
	budgetBytes = 64 << 20
)

// New returns a client. It fails, naming the setting, if a URL or a style is invalid.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: upstream.NewTransport(upstream.Options{})}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	budget := upstream.NewBudget(budgetBytes)
	image, err := newService(cfg, budget, job.UpstreamImage, imageSetting, cfg.BaseURL, imageStyleSetting, cfg.ImageStyle)
	if err != nil {
		return nil, err
	}
	image.setGate(cfg.Gate, cmp.Or(cfg.hooks.imageSpacing, imageSpacing))
	speech, err := newService(cfg, budget, job.UpstreamSpeech, speechSetting, cfg.SpeechBaseURL, speechStyleSetting, cfg.SpeechStyle)
	if err != nil {
		return nil, err
	}
	speech.setGate(cfg.Gate, cmp.Or(cfg.hooks.speechSpacing, speechSpacing))
	return &Client{
		image:          image,
		speech:         speech,
		maxImageBytes:  cmp.Or(cfg.hooks.maxImageBytes, maxImageBytes),
		maxSpeechBytes: cmp.Or(cfg.hooks.maxSpeechBytes, maxSpeechBytes),
		budget:         budget,
		logger:         cfg.Logger,
		placeholders:   []string{errorImageMD5},
	}, nil
}

// newService configures one service. The dialect is chosen here and nowhere else.
func newService(cfg Config, budget *upstream.Budget, name, setting, address, styleSetting, style string) (service, error) {
	base, err := parseBase(setting, address)
	if err != nil {
		return service{}, err
	}
	spoken, err := chooseDialect(styleSetting, style, base)
	if err != nil {
		return service{}, err
	}
	return service{
		caller: upstream.Caller{
			Upstream:  name,
			HTTP:      cfg.HTTP,
			Key:       cfg.Token,
			UserAgent: upstream.UserAgent(cfg.Version),
			Idle:      cfg.hooks.idle,
			Budget:    budget,
			Observe:   cfg.Observe,
		},
		base:    base,
		setting: setting,
		dialect: spoken,
	}, nil
}

// MaxPromptBytes returns the limit of an image's prompts as they are escaped for a URL, negative prompt and URLs of
// reference images included; 0 where the service also takes them in a body.
func (c *Client) MaxPromptBytes() int {
	if _, old := c.image.dialect.(legacy); old {
		return maxLegacyWords
	}
	return 0
}

// Media is an image or a speech that passed every check.
type Media struct {
	// ContentType is detected from the bytes, whatever the header says.
	ContentType string
	Data        []byte
	// Width and Height are those of the image, which may differ from the requested ones; 0 for speech.
	Width, Height int
	// SampleRate and Channels are set for raw PCM samples, which do not contain them; 0 for anything else.
	SampleRate, Channels int
	// Model is the one that the upstream names, else the requested one.
	Model string
	// CacheHit says that the upstream had the response cached, which costs nothing.
	CacheHit bool
	// Usage is what the upstream counted.
	Usage Usage
}

// Image generates an image. The same request always has the same URL, so that a repetition joins a generation that still
// runs and is billed once. A negative prompt is appended to the prompt where the service has no parameter for it. It
// fails with a *fault.Error, or with the error of a Gate. Its memory is bounded by the limit of a response, half as much
// again for a long prompt.
func (c *Client) Image(ctx context.Context, r ImageRequest) (*Media, error) {
	if c.image.base == "" {
		return nil, upstream.Unset(job.UpstreamImage, imageSetting)
	}
	if r.Model == "" {
		r.Model = DefaultImageModel
	}
	call, err := c.image.dialect.imageCall(c.image.base, r, c.maxImageBytes)
	if err != nil {
		return nil, err
	}
	var media *Media
	err = c.image.do(ctx, call, func(a *upstream.Response) error {
		media, err = c.readImage(a, call.inJSON)
		if err != nil {
			return err
		}
		return c.checkDuplicate(r, media)
	})
	if err != nil {
		return nil, err
	}
	if media.Model == "" {
		media.Model = r.Model
	}
	return media, nil
}

// Speech reads a text aloud. The content type tells the format of the result, which may not be the requested one if the
// model supports only one. A speed other than 1 is made here from a WAV file, which takes CPU time; it is rejected for
// other formats than wav and pcm. Raw PCM samples are also taken from a WAV file, whose header has their rate, and FLAC
// is encoded from WAV for models that return PCM instead. It fails with a *fault.Error, or with the error of a Gate.
func (c *Client) Speech(ctx context.Context, r SpeechRequest) (*Media, error) {
	if c.speech.base == "" {
		return nil, upstream.Unset(job.UpstreamSpeech, speechSetting)
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
	var media *Media
	err = c.speech.do(ctx, call, func(a *upstream.Response) error {
		media, err = readSpeech(a, r, wanted, call.inJSON)
		return err
	})
	if err != nil {
		return nil, err
	}
	if media.Model == "" {
		media.Model = r.Model
	}
	switch {
	case r.Speed != 1:
		if err := c.changeSpeed(ctx, media, r.Speed, wanted); err != nil {
			return nil, err
		}
	case wanted == "pcm":
		unwrapPCM(media)
	case wanted == "flac":
		if err := c.compressFLAC(ctx, media); err != nil {
			return nil, err
		}
	}
	return media, nil
}
