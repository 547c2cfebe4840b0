package pollinations

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// Config says where the gateway is and how to speak to it.
type Config struct {
	// BaseURL is POLLINATIONS_IMAGE_API_BASE and SpeechBaseURL is POLLINATIONS_TEXT_API_BASE: with or without a closing
	// slash, a version or the route's own path. An empty one makes its calls fail as misconfigured.
	BaseURL       string
	SpeechBaseURL string
	// Token is the gateway's key; it travels in the Authorization header only.
	Token string
	// HTTP sends the requests; nil means a client of its own over upstream.NewTransport.
	HTTP   *http.Client
	Logger *slog.Logger
	// Version is this program's, for the User-Agent.
	Version string
	// MaxBytes bounds a picture or a recording. Default 32 MiB.
	MaxBytes int64
	// Idle is how long a body may be silent. Default 30 s.
	Idle time.Duration
	// Observe hears of every exchange; see upstream.Caller.
	Observe func(upstream string, status int, code string, took time.Duration)
}

// Client speaks to the gateway. It may be used by many goroutines at once.
type Client struct {
	image    upstream.Caller
	speech   upstream.Caller
	dialect  gateway
	maxBytes int64
	logger   *slog.Logger
	retired  sync.Once
	// placeholders are the MD5 sums of pictures that stand for an error.
	placeholders []string
}

const defaultMaxBytes = 32 << 20

// New returns a client. It fails when an address cannot be used, in a sentence that names the setting.
func New(cfg Config) (*Client, error) {
	// Here, and nowhere else, the dialect is chosen.
	dialect, err := newGateway(cfg.BaseURL, cfg.SpeechBaseURL)
	if err != nil {
		return nil, err
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Transport: upstream.NewTransport(upstream.Options{})}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = defaultMaxBytes
	}
	image := upstream.Caller{
		Upstream:  upstream.PollinationsImage,
		HTTP:      cfg.HTTP,
		Key:       cfg.Token,
		UserAgent: upstream.UserAgent(cfg.Version),
		Idle:      cfg.Idle,
		Observe:   cfg.Observe,
	}
	speech := image
	speech.Upstream = upstream.PollinationsSpeech
	return &Client{
		image:        image,
		speech:       speech,
		dialect:      dialect,
		maxBytes:     cfg.MaxBytes,
		logger:       cfg.Logger,
		placeholders: []string{errorPicture},
	}, nil
}

// Media is a picture or a recording that passed every check.
type Media struct {
	// ContentType is what the bytes are, whatever the answer's header said.
	ContentType string
	Data        []byte
	// Width and Height are the picture's own, which need not be those asked for; 0 for speech.
	Width, Height int
	// Model is the one that the gateway names, else the one asked for.
	Model string
	// CacheHit says that the gateway had the answer ready, which costs nothing.
	CacheHit bool
}

// Image has a picture made. The same request leads to the same address each time, so that a repetition joins a
// generation that is still running and is billed once. Negative words are folded into the prompt. It fails with an
// *upstream.Fault, and holds at most the bounded answer in memory, half as much again for a long prompt.
func (c *Client) Image(ctx context.Context, r ImageRequest) (*Media, error) {
	if c.dialect.imageBase == "" {
		return nil, upstream.Unset(upstream.PollinationsImage, imageSetting)
	}
	if r.Model == "" {
		r.Model = DefaultImageModel
	}
	call, err := c.dialect.picture(r, c.maxBytes)
	if err != nil {
		return nil, err
	}
	var media *Media
	err = c.image.Do(ctx, call.Request, func(a *upstream.Answer) error {
		media, err = c.readPicture(a, call.inJSON)
		return err
	})
	if err != nil {
		return nil, err
	}
	if media.Model == "" {
		media.Model = r.Model
	}
	return media, nil
}

// Speech has a text read aloud. The bytes may be of another format than asked for where the model knows only one; the
// content type says which. It fails with an *upstream.Fault.
func (c *Client) Speech(ctx context.Context, r SpeechRequest) (*Media, error) {
	if c.dialect.speechBase == "" {
		return nil, upstream.Unset(upstream.PollinationsSpeech, speechSetting)
	}
	if r.Model == chatSpeechModel {
		c.retired.Do(func() {
			c.logger.WarnContext(ctx, "speech model is no longer served, another one is used",
				"model", chatSpeechModel, "replaced_by", DefaultSpeechModel)
		})
		r.Model = ""
	}
	r = r.filled()
	call, err := c.dialect.recording(r, c.maxBytes)
	if err != nil {
		return nil, err
	}
	var media *Media
	err = c.speech.Do(ctx, call.Request, func(a *upstream.Answer) error {
		media, err = readRecording(a, r.Format)
		return err
	})
	if err != nil {
		return nil, err
	}
	if media.Model == "" {
		media.Model = r.Model
	}
	return media, nil
}
