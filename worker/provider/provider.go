package provider

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
	"github.com/text2image-audio/text2image-audio/worker/upstream/openai"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Provider is one of the providers of a kind.
type Provider struct {
	Spec
	// Upstream is the one of job.Upstreams for which it serves, Circuit the name of its own circuit breaker.
	Upstream string
	Circuit  string

	pollinations *pollinations.Client
	openai       *openai.Client
	// Chat is set for the language model.
	Chat *deepseek.Client
}

// Set has the providers of all kinds; a kind without any uses the other settings.
type Set struct {
	Images, Speech, Chat []*Provider
}

// Options are what the clients of all providers share.
type Options struct {
	HTTP    *http.Client
	Logger  *slog.Logger
	Version string
	Gate    pollinations.Gate
	Observe func(upstream string, status int, code string, took time.Duration)
}

// Open creates the clients of the providers.
func (f File) Open(o Options) (*Set, error) {
	set := &Set{}
	for _, l := range []struct {
		upstream string
		specs    []Spec
		into     *[]*Provider
	}{{job.UpstreamImage, f.Images, &set.Images}, {job.UpstreamSpeech, f.Speech, &set.Speech}, {job.UpstreamLanguage, f.Chat, &set.Chat}} {
		for _, s := range l.specs {
			p := &Provider{Spec: s, Upstream: l.upstream, Circuit: job.ProviderCircuit(l.upstream, s.Name)}
			if err := p.open(o); err != nil {
				return nil, err
			}
			*l.into = append(*l.into, p)
		}
	}
	return set, nil
}

func (p *Provider) open(o Options) (err error) {
	setting := member(p.place, "base_url")
	switch {
	case p.Upstream == job.UpstreamLanguage:
		p.Chat, err = deepseek.New(deepseek.Config{
			Name: p.Circuit, URL: p.BaseURL, URLSetting: setting, Key: p.Key.Reveal(), Model: p.Model, ModelSetting: member(p.place, "model"),
			Plain: p.Type == TypeOpenAI, HTTP: o.HTTP, Logger: o.Logger, Version: o.Version, Observe: o.Observe,
		})
	case p.Type == TypeOpenAI:
		p.openai, err = openai.New(openai.Config{
			Name: p.Circuit, BaseURL: p.BaseURL, Setting: setting, Key: p.Key.Reveal(), NoSeed: p.NoSeed,
			HTTP: o.HTTP, Version: o.Version, Observe: o.Observe,
		})
	default:
		c := pollinations.Config{Token: p.Key.Reveal(), Gate: o.Gate, HTTP: o.HTTP, Logger: o.Logger, Version: o.Version, Observe: o.Observe}
		if p.Upstream == job.UpstreamImage {
			c.BaseURL, c.ImageStyle, c.ImageName, c.ImageSetting = p.BaseURL, p.Style, p.Circuit, setting
		} else {
			c.SpeechBaseURL, c.SpeechStyle, c.SpeechName, c.SpeechSetting = p.BaseURL, p.Style, p.Circuit, setting
		}
		p.pollinations, err = pollinations.New(c)
	}
	return err
}

// MakesImage returns the provider's own name of the model of an image, and false if it cannot make the image. The model is
// that of the catalogue.
func (p *Provider) MakesImage(in *job.ImageInput, m job.Model) (model string, ok bool) {
	model, ok = p.model(cmp.Or(in.Model, catalogue.DefaultImageModel), m)
	width, height := in.Size()
	listed, _ := m.Offer(p.Name)
	references := len(in.ReferenceImages)
	switch {
	case !ok,
		len(p.Sizes) > 0 && !slices.Contains(p.Sizes, Size{width, height}),
		listed.MaxPixels > 0 && width*height > listed.MaxPixels,
		references > 0 && (p.openai != nil || listed.MaxReferenceImages > 0 && references > listed.MaxReferenceImages):
		return "", false
	}
	return model, true
}

// MakesSpeech returns the provider's own names of the model and the voice of speech, and false if it cannot make the speech.
func (p *Provider) MakesSpeech(in *job.AudioInput, m job.Model) (model, voice string, ok bool) {
	model, ok = p.model(cmp.Or(in.Model, catalogue.DefaultSpeechModel), m)
	listed, _ := m.Offer(p.Name)
	voice = in.Voice
	if len(p.Voices.List()) > 0 && voice != "" {
		own, has := p.Voices.Own(voice)
		voice, ok = own, ok && has
	}
	switch {
	case !ok,
		len(p.Formats) > 0 && !slices.Contains(p.Formats, cmp.Or(in.Format, "mp3")),
		p.openai != nil && !p.Speed && in.Speed != nil && *in.Speed != 1,
		voice != "" && len(listed.Voices) > 0 && !(job.Model{Voices: listed.Voices, CustomVoices: m.CustomVoices}).TakesVoice(in.Voice):
		return "", "", false
	}
	return model, voice, true
}

// model returns the provider's own name of a model.
func (p *Provider) model(name string, m job.Model) (string, bool) {
	if own, ok := p.Models.Own(append([]string{name, m.Name}, m.Aliases...)...); ok {
		return own, true
	}
	if !p.Models.Any {
		return "", false
	}
	// The catalogue may know that only others have it.
	_, listed := m.Offer(p.Name)
	return name, listed || len(m.Offers) == 0
}

// Image generates an image. The request has the provider's own name of the model.
func (p *Provider) Image(ctx context.Context, r pollinations.ImageRequest) (*media.Media, error) {
	if p.openai == nil {
		return p.pollinations.Image(ctx, r)
	}
	return p.openai.Image(ctx, openai.ImageRequest{
		Prompt: r.Prompt, Negative: r.Negative, Model: r.Model, Width: r.Width, Height: r.Height, Seed: r.Seed,
		Quality: r.Quality, Transparent: r.Transparent,
	})
}

// MakeSpeech converts a text to speech. The request has the provider's own names of the model and the voice.
func (p *Provider) MakeSpeech(ctx context.Context, r pollinations.SpeechRequest) (*media.Media, error) {
	if p.openai == nil {
		return p.pollinations.Speech(ctx, r)
	}
	return p.openai.Speech(ctx, openai.SpeechRequest{
		Text: r.Text, Model: r.Model, Voice: cmp.Or(r.Voice, pollinations.DefaultVoice), Format: r.Format, Speed: r.Speed,
	})
}

// PriceOf returns the price of a model of the catalogue at this provider; nil if it is unknown.
func (p *Provider) PriceOf(m job.Model) *job.Price {
	listed, ok := m.Offer(p.Name)
	switch {
	case p.openai != nil:
		return p.Price
	case ok:
		return listed.Price
	case len(m.Offers) > 0:
		return nil
	}
	return m.Price
}
