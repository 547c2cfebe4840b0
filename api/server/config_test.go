package server_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// loadConfig returns the settings of environment variables.
func loadConfig(t testing.TB, environ ...string) server.Config {
	t.Helper()
	var cfg server.Config
	must(t, env.Load(environ, &cfg))
	return cfg
}

// minimalDeps returns dependencies that suffice to create a server, but not to serve requests.
func minimalDeps(t testing.TB, m *telemetry.Metrics) server.Deps {
	t.Helper()
	return server.Deps{
		Catalogue: catalogue.Builtin(), Metrics: m, Log: discardLogger(), Secret: []byte(secret), Page: newPage(t, pageFiles(), contractText),
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	cfg := loadConfig(t)
	if cfg.SyncWait != 150*time.Second || cfg.MaxAttempts != 8 || cfg.Voice != "nova" || cfg.HealthToken != "" || cfg.AudioModel != "" ||
		cfg.MaxActiveGuest != 4 || cfg.MaxActiveMember != 20 {
		t.Errorf("defaults: %+v", cfg)
	}
	cfg = loadConfig(t, "RETRY_MAX_ATTEMPTS=3", "FETCH_RETRY_MAX=5", "SYNC_WAIT=2s", "TRUSTED_PROXIES=10.0.0.1, 2001:db8::/32", "FRONTEND_URL=https://a.example,https://b.example")
	if cfg.MaxAttempts != 3 || cfg.SyncWait != 2*time.Second || len(cfg.TrustedProxies) != 2 || len(cfg.FrontendURLs) != 2 {
		t.Errorf("got %+v", cfg)
	}
}

func TestInvalidConfig(t *testing.T) {
	t.Parallel()
	for variable, name := range map[string]string{
		"SYNC_WAIT=0s":                    "SYNC_WAIT",
		"FETCH_RETRY_MAX=0":               "FETCH_RETRY_MAX",
		"MAX_ACTIVE_JOBS_GUEST=-1":        "MAX_ACTIVE_JOBS_GUEST",
		"MAX_ACTIVE_JOBS_MEMBER=-1":       "MAX_ACTIVE_JOBS_MEMBER",
		"TRUSTED_PROXIES=proxy.example":   "TRUSTED_PROXIES",
		"TRUSTED_PROXIES=10.0.0.0/99":     "TRUSTED_PROXIES",
		"FRONTEND_URL=www.example.org":    "FRONTEND_URL",
		"FRONTEND_URL=javascript:alert()": "FRONTEND_URL",
		"ALLOWED_ORIGINS=*":               "ALLOWED_ORIGINS",
		"ALLOWED_ORIGINS=https://a b":     "ALLOWED_ORIGINS",
	} {
		var cfg server.Config
		err := env.Load([]string{variable}, &cfg)
		fault, ok := errors.AsType[*env.Fault](err)
		if !ok || fault.Name != name {
			t.Errorf("%s: %v", variable, err)
		}
	}
	var cfg server.Config
	err := env.Load([]string{"SYNC_WAIT=0s", "FETCH_RETRY_MAX=-1", "TRUSTED_PROXIES=x", "ALLOWED_ORIGINS=*"}, &cfg)
	for _, name := range []string{"SYNC_WAIT", "FETCH_RETRY_MAX", "TRUSTED_PROXIES", "ALLOWED_ORIGINS"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("no %s in %v", name, err)
		}
	}
}

func TestDefaultSpeechModel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		model, voice, fault string
		warnings            int
	}{
		{"", "nova", "", 0},
		{"kokoro", "nova", "", 0}, // Its voices are others; nova stays a voice of the catalogue.
		{"kokoro", "af_heart", "", 0},
		{"openai-audio", "nova", "", 1},
		{"unknown", "nova", "DEFAULT_AUDIO_MODEL", 0},
		{"", "unknown", "DEFAULT_AUDIO_VOICE", 0},
	} {
		cfg := loadConfig(t)
		cfg.AudioModel, cfg.Voice = tc.model, tc.voice
		var log bytes.Buffer
		deps := minimalDeps(t, telemetry.NewMetrics())
		var err error
		deps.Log, err = telemetry.NewLogger(&log, "warn")
		must(t, err)
		_, err = server.New(cfg, deps)
		fault, _ := errors.AsType[*env.Fault](err)
		if (fault == nil && tc.fault != "") || (fault != nil && fault.Name != tc.fault) {
			t.Errorf("%+v: %v", tc, err)
		}
		if got := strings.Count(log.String(), "\n"); got != tc.warnings {
			t.Errorf("%+v: %d warnings: %s", tc, got, &log)
		}
	}
}
