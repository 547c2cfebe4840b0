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
	"github.com/text2image-audio/text2image-audio/worker/provider"
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

	File provider.File `env:"UPSTREAMS" doc:"Path of a JSON file with several providers for images, speech or the language model, in the order in which they are tried. For the kinds in it the variables above are not used, except those that it names for keys. providers.md describes it."`

	Simulator string `env:"SIMULATOR" doc:"on or off: whether the built-in simulator replaces the upstreams; if empty, it does unless UPSTREAMS or a POLLINATIONS_ or DEEPSEEK_ variable is set."`
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
	return !u.File.Set() && u.ImageBase == "" && u.TextBase == "" && u.Token == "" && u.ImageStyle == "" && u.TextStyle == "" &&
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
	for _, v := range u.variables() {
		if v.value == "" && !v.replaced && v.required {
			missing = append(missing, v.name)
		}
	}
	return missing
}

// Unused returns the names of set variables that are not used, since the file has providers for their kinds.
func (u Upstreams) Unused() []string {
	var unused []string
	for _, v := range u.variables() {
		if v.value != "" && v.replaced {
			unused = append(unused, v.name)
		}
	}
	return unused
}

// variable is a variable that the file may replace. The token is not one, since the file may name it.
type variable struct {
	name, value        string
	replaced, required bool
}

func (u Upstreams) variables() []variable {
	images, speech, chat := len(u.File.Images) > 0, len(u.File.Speech) > 0, len(u.File.Chat) > 0
	return []variable{
		{"POLLINATIONS_IMAGE_API_BASE", u.ImageBase, images, true},
		{"POLLINATIONS_TEXT_API_BASE", u.TextBase, speech, true},
		{"DEEPSEEK_API_URL", u.DeepSeekURL, chat, true},
		{"DEEPSEEK_API_KEY", u.DeepSeekKey.Reveal(), chat && u.DeepSeekURL != "", !chat},
		{"DEEPSEEK_MODEL", u.DeepSeekModel, chat, false},
	}
}

// Validate returns all errors at once, each with the name of its variable.
func (c *Config) Validate() error {
	var errs []error
	switch c.Upstreams.Simulator {
	case "", "on", "off":
	default:
		errs = append(errs, fmt.Errorf("SIMULATOR must be on or off, not %q", c.Upstreams.Simulator))
	}
	if err := c.Upstreams.File.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Upstreams.Simulator == "on" && c.Upstreams.File.Set() {
		errs = append(errs, errors.New("SIMULATOR must not be on if UPSTREAMS is set"))
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
	var parts []string
	if u.File.Set() {
		parts = append(parts, u.File.String())
	}
	for _, part := range []struct {
		name, base string
		listed     int
	}{
		{"images", u.ImageBase, len(u.File.Images)}, {"speech", u.TextBase, len(u.File.Speech)}, {"language model", u.DeepSeekURL, len(u.File.Chat)},
	} {
		if part.listed == 0 {
			parts = append(parts, part.name+" "+host(part.base))
		}
	}
	return strings.Join(parts, ", ")
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
