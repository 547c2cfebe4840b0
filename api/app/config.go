package app

import (
	"errors"
	"io"
	"time"

	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/mail"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
	worker "github.com/text2image-audio/text2image-audio/worker/app"
)

// Config has the settings of an API process, grouped by the package that owns them.
type Config struct {
	Listen     string        `env:"LISTEN_ADDR" envDefault:"127.0.0.1:8080" doc:"Address that the API and the page listen on."`
	JWTSecret  env.Secret    `env:"JWT_SECRET" doc:"Key that signs tokens and cookies: at least 16 characters, preferably 32 random bytes (openssl rand -hex 32); keys from examples are rejected. Changing it ends every session. With the embedded NATS a missing key is generated and kept in DATA_DIR; with NATS_URL it is required."`
	DrainDelay time.Duration `env:"DRAIN_DELAY" envDefault:"0s" doc:"How long the API keeps serving after SIGTERM while /readyz returns 503, before STOP_TIMEOUT begins: as long as load balancers need to notice, such as 10s. The port closes then, and kept connections are served for another second. 0s stops at once."`
	// StopTimeout bounds the whole stop.
	StopTimeout time.Duration `env:"STOP_TIMEOUT" envDefault:"30s" doc:"Longest duration of a shutdown; jobs that are still running then are redelivered."`

	Server    server.Config
	Broker    broker.Config
	Worker    worker.Config
	Telemetry telemetry.Config
	Account   account.Config
	Mail      mail.Config
	Google    google.Config
	Webhook   webhook.Config

	// Level is the level of the logger, which a runtime switch changes; nil if it is fixed.
	Level *telemetry.Level `env:"-"`
	// OpenAPI is the document served at /openapi.yaml and /openapi.json.
	OpenAPI []byte `env:"-"`
	// Console is where the links of emails are printed if no mail server is configured.
	Console io.Writer `env:"-"`

	hooks hooks.App
}

// SetHooks lets tests change what is no setting.
func (c *Config) SetHooks(set func(*hooks.App)) { set(&c.hooks) }

// minSecret is the minimum length of JWT_SECRET in characters. Shorter keys can be guessed.
const minSecret = 16

const defaultMetricsAddr = "127.0.0.1:9091"

// Load reads the settings. Its error names every variable that is missing or invalid.
func Load(environ []string) (Config, error) {
	cfg := Default()
	return cfg, env.Load(environ, &cfg)
}

// Default returns the settings that have no variable. Load adds those of the variables.
func Default() Config {
	return Config{
		Telemetry: telemetry.Config{MetricsAddr: defaultMetricsAddr},
		Worker:    worker.Config{Latency: simulator.DemoLatency()},
	}
}

// Validate returns all invalid settings as one error.
func (c *Config) Validate() error {
	var errs []error
	if err := env.CheckAddress("LISTEN_ADDR", c.Listen); err != nil {
		errs = append(errs, err)
	}
	if !c.Broker.Embedded() && c.JWTSecret == "" {
		errs = append(errs, &env.Fault{Name: "JWT_SECRET", Expected: "a key: with NATS_URL all processes must use the same one"})
	}
	if c.JWTSecret != "" && len(c.JWTSecret) < minSecret {
		errs = append(errs, &env.Fault{Name: "JWT_SECRET", Expected: "at least 16 characters"})
	} else if c.JWTSecret != "" && guessable(c.JWTSecret.Reveal()) {
		errs = append(errs, &env.Fault{Name: "JWT_SECRET", Expected: "a key that cannot be guessed, such as the output of openssl rand -hex 32, and not one from an example"})
	}
	if c.DrainDelay < 0 {
		errs = append(errs, &env.Fault{Name: "DRAIN_DELAY", Expected: "a duration that is not negative"})
	}
	if c.StopTimeout <= 0 {
		errs = append(errs, &env.Fault{Name: "STOP_TIMEOUT", Expected: "a duration above zero"})
	}
	errs = append(errs, c.Server.Validate(), c.Broker.Validate(), c.Telemetry.Validate(), c.Account.Validate(), c.Mail.Validate(),
		c.Google.Validate(), c.Webhook.Validate())
	if c.Google.On() && c.Google.RedirectURI == "" && len(c.Server.FrontendURLs) == 0 && !c.local() {
		errs = append(errs, &env.Fault{Name: "GOOGLE_REDIRECT_URI", Expected: "the redirect URI, or FRONTEND_URL, from which it is derived, because GOOGLE_CLIENT_ID is set"})
	}
	if c.Mail.URL != "" && len(c.Server.FrontendURLs) == 0 && !c.local() {
		errs = append(errs, &env.Fault{Name: "FRONTEND_URL", Expected: "the URL of the page, which e-mails link to, because SMTP_URL is set"})
	}
	if c.Account.RequireVerified == "on" && c.Mail.URL == "" && !c.localPage() {
		errs = append(errs, &env.Fault{Name: "SMTP_URL", Expected: "a mail server, because REQUIRE_VERIFIED_EMAIL is on and the API is not limited to this machine"})
	}
	if c.Broker.Embedded() {
		errs = append(errs, c.Worker.Validate(), c.Worker.CheckStop(c.StopTimeout))
	}
	return errors.Join(errs...)
}
