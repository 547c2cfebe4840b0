package app

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Config has all settings of a worker except those of NATS.
type Config struct {
	Upstreams Upstreams
	Processor processor.Config
	// Latency is the latency of simulated generations.
	Latency simulator.Latency `env:"-"`

	// OnSwitch, if not nil, is called with the runtime switches at the start and whenever they change. It is nil in an API
	// process, which applies the switches itself.
	OnSwitch func(map[control.SwitchName]control.Switch) `env:"-"`
}

// Upstreams has the settings of the upstream services.
type Upstreams struct {
	ImageBase string     `env:"POLLINATIONS_IMAGE_API_BASE" doc:"Base URL of the Pollinations image API, such as https://gen.pollinations.ai."`
	TextBase  string     `env:"POLLINATIONS_TEXT_API_BASE" doc:"Base URL of the Pollinations speech and text API, such as https://gen.pollinations.ai."`
	Token     env.Secret `env:"POLLINATIONS_API_TOKEN" doc:"Secret key for Pollinations (sk_…)."`

	ImageStyle string `env:"POLLINATIONS_IMAGE_API_STYLE" doc:"gen or legacy: which version of the image API to use; if empty, the host decides."`
	TextStyle  string `env:"POLLINATIONS_TEXT_API_STYLE" doc:"gen or legacy: which version of the speech and text API to use; if empty, the host decides."`

	DeepSeekURL   string     `env:"DEEPSEEK_API_URL" doc:"URL of the DeepSeek API: a base URL, one that ends in /v1, or the full URL of chat completions."`
	DeepSeekKey   env.Secret `env:"DEEPSEEK_API_KEY" doc:"Key for the DeepSeek API."`
	DeepSeekModel string     `env:"DEEPSEEK_MODEL" doc:"Model that optimizes prompts and translates; deepseek-flash if empty."`

	Simulator string `env:"SIMULATOR" doc:"on or off: whether the built-in simulator replaces the upstreams; if empty, it does unless a POLLINATIONS_ or DEEPSEEK_ variable is set."`
}

// The modes of a worker.
const (
	ModeLive      = "live"
	ModeSimulator = "simulator"
)

// Simulated reports whether the simulator replaces the upstreams.
func (u Upstreams) Simulated() bool {
	switch u.Simulator {
	case "on":
		return true
	case "off":
		return false
	}
	return u.ImageBase == "" && u.TextBase == "" && u.Token == "" && u.ImageStyle == "" && u.TextStyle == "" &&
		u.DeepSeekURL == "" && u.DeepSeekKey == "" && u.DeepSeekModel == ""
}

// Mode returns ModeLive or ModeSimulator.
func (u Upstreams) Mode() string {
	if u.Simulated() {
		return ModeSimulator
	}
	return ModeLive
}

// Missing returns the names of unset variables that some kinds of job need.
func (u Upstreams) Missing() []string {
	if u.Simulated() {
		return nil
	}
	var missing []string
	for _, v := range []struct{ name, value string }{
		{"POLLINATIONS_IMAGE_API_BASE", u.ImageBase},
		{"POLLINATIONS_TEXT_API_BASE", u.TextBase},
		{"DEEPSEEK_API_URL", u.DeepSeekURL},
		{"DEEPSEEK_API_KEY", u.DeepSeekKey.Reveal()},
	} {
		if v.value == "" {
			missing = append(missing, v.name)
		}
	}
	return missing
}

// Validate returns all errors at once, each with the name of its variable.
func (c *Config) Validate() error {
	var errs []error
	switch c.Upstreams.Simulator {
	case "", "on", "off":
	default:
		errs = append(errs, fmt.Errorf("SIMULATOR must be on or off, not %q", c.Upstreams.Simulator))
	}
	for name, style := range map[string]string{
		"POLLINATIONS_IMAGE_API_STYLE": c.Upstreams.ImageStyle, "POLLINATIONS_TEXT_API_STYLE": c.Upstreams.TextStyle,
	} {
		if style != "" && style != pollinations.StyleGen && style != pollinations.StyleLegacy {
			errs = append(errs, fmt.Errorf("%s must be gen or legacy, not %q", name, style))
		}
	}
	for name, base := range map[string]string{
		"POLLINATIONS_IMAGE_API_BASE": c.Upstreams.ImageBase, "POLLINATIONS_TEXT_API_BASE": c.Upstreams.TextBase,
		"DEEPSEEK_API_URL": c.Upstreams.DeepSeekURL,
	} {
		if _, err := upstream.ParseBase(name, base); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, c.Processor.Validate())...)
}

// CheckStop fails if WORKER_SOFT_STOP is not shorter than the time-out of a stop, which would end before the jobs of
// running attempts are returned to the queue.
func (c *Config) CheckStop(timeout time.Duration) error {
	if c.Processor.SoftStop < timeout || timeout <= 0 {
		return nil
	}
	return fmt.Errorf("WORKER_SOFT_STOP must be shorter than STOP_TIMEOUT, which is %s, not %s", timeout, c.Processor.SoftStop)
}

// Describe returns the hosts of the upstreams for the banner, without secrets.
func (u Upstreams) Describe() string {
	if u.Simulated() {
		return "the built-in simulator (set POLLINATIONS_* and DEEPSEEK_* to use the real services)"
	}
	return strings.Join([]string{
		"images " + host(u.ImageBase), "speech " + host(u.TextBase), "language model " + host(u.DeepSeekURL),
	}, ", ")
}

// host returns only the host of a URL, since the rest may contain credentials.
func host(rawURL string) string {
	if rawURL == "" {
		return "not set"
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return "set, but not a URL"
	}
	return u.Host
}
