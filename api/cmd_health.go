package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// healthConfig has the settings of the command health. Flags override the environment.
type healthConfig struct {
	URL      string        `env:"HEALTH_CHECK_URL" envDefault:"http://127.0.0.1:8080" doc:"URL that api health checks: the root of the API or the full path of its health check."`
	Token    env.Secret    `env:"HEALTH_CHECK_TOKEN" doc:"Token for /internal/health."`
	Retries  int           `env:"HEALTH_CHECK_RETRIES" envDefault:"3" doc:"Retries of api health after a failed attempt."`
	Interval time.Duration `env:"HEALTH_CHECK_INTERVAL_MS" envDefault:"1000" doc:"Milliseconds between two attempts of api health."`
	Verbose  bool
	// Ready checks /readyz only, instead of the full health report.
	Ready bool
}

const (
	healthPath = "/internal/health"
	readyPath  = "/readyz"
	// healthTimeout bounds one attempt.
	healthTimeout = 10 * time.Second
	// healthBytes bounds the size of the response.
	healthBytes = 1 << 20
)

// healthCommand checks a running API until it is healthy or no retries are left. It exits with 0 if the API is healthy, with 1 if
// it is not, and with 2 on incorrect usage.
func healthCommand(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	cfg, err := healthSettings(args, environ, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "api health: %v\n", err)
		return exitUsage
	}
	for attempt := 0; ; attempt++ {
		status, body, err := requestHealth(ctx, cfg)
		if cfg.Verbose || err == nil {
			printHealth(stdout, status, body)
		}
		if err == nil {
			return 0
		}
		_, _ = fmt.Fprintf(stderr, "api health: attempt %d of %d: %v\n", attempt+1, cfg.Retries+1, err)
		if attempt >= cfg.Retries || !lifecycle.Sleep(ctx, cfg.Interval) {
			if !cfg.Verbose {
				printHealth(stdout, status, body)
			}
			return exitFailure
		}
	}
}

func healthSettings(args, environ []string, stderr io.Writer) (healthConfig, error) {
	var cfg healthConfig
	if err := env.Load(environ, &cfg); err != nil {
		return cfg, err
	}
	flags := flag.NewFlagSet("api health", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.URL, "url", cfg.URL, "URL of the API (HEALTH_CHECK_URL)")
	token := flags.String("token", "", "token of the health check (HEALTH_CHECK_TOKEN)")
	flags.IntVar(&cfg.Retries, "retries", cfg.Retries, "retries after a failed attempt (HEALTH_CHECK_RETRIES)")
	interval := flags.Int64("interval", cfg.Interval.Milliseconds(), "milliseconds between two attempts (HEALTH_CHECK_INTERVAL_MS)")
	flags.BoolVar(&cfg.Verbose, "v", false, "print every response")
	flags.BoolVar(&cfg.Verbose, "verbose", false, "the same as -v")
	flags.BoolVar(&cfg.Ready, "ready", false, "check only whether the API accepts jobs (/readyz); needs no token")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if flags.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *token != "" {
		cfg.Token = env.Secret(*token)
	}
	cfg.Interval = time.Duration(*interval) * time.Millisecond
	if cfg.Retries < 0 || cfg.Interval < 0 {
		return cfg, errors.New("retries and interval must not be negative")
	}
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return cfg, errors.New("url must be a URL such as https://example.org")
	}
	u.Path = strings.TrimSuffix(u.Path, healthPath)
	if cfg.Ready {
		u = u.JoinPath(readyPath)
	} else {
		u = u.JoinPath(healthPath)
	}
	cfg.URL = u.String()
	return cfg, nil
}

func requestHealth(ctx context.Context, cfg healthConfig) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.URL, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("create request: %w", err)
	}
	if cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+cfg.Token.Reveal())
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, healthBytes))
	switch {
	case err != nil:
		return resp.StatusCode, body, fmt.Errorf("read response: %w", err)
	case resp.StatusCode == http.StatusUnauthorized:
		return resp.StatusCode, body, errors.New("the token is missing or wrong")
	case resp.StatusCode != http.StatusOK:
		return resp.StatusCode, body, unhealthy(resp.StatusCode, body)
	}
	return resp.StatusCode, body, nil
}

// unhealthy returns an error with the failed checks of a report and their hints.
func unhealthy(status int, body []byte) error {
	var report struct {
		Status string
		Checks []struct {
			Name, Status string
			Details      struct{ Reason, Hint string }
		}
	}
	text := fmt.Sprintf("the API is unhealthy (status %d)", status)
	if json.Unmarshal(body, &report) != nil {
		return errors.New(text)
	}
	for _, c := range report.Checks {
		if c.Status != "degraded" && c.Status != "error" {
			continue
		}
		text += "\n  " + printable(c.Name) + ": " + printable(c.Status)
		if c.Details.Reason != "" {
			text += ", " + printable(c.Details.Reason)
		}
		if c.Details.Hint != "" {
			text += ". " + printable(c.Details.Hint)
		}
	}
	return errors.New(text)
}

func printHealth(w io.Writer, status int, body []byte) {
	if status == 0 {
		return
	}
	var indented bytes.Buffer
	if json.Indent(&indented, body, "", "  ") != nil {
		indented.Reset()
		indented.Write(body)
	}
	_, _ = fmt.Fprintf(w, "%d %s\n%s\n", status, http.StatusText(status), strings.TrimSpace(indented.String()))
}
