package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/worker/app"
	"github.com/text2image-audio/text2image-audio/worker/internal/hooks"
)

// load loads the settings as main does.
func load(t *testing.T, environ ...string) app.Config {
	t.Helper()
	var cfg app.Config
	if err := env.Load(environ, &cfg); err != nil {
		t.Fatal(err)
	}
	// A worker that is no part of an API process stops when its last pull has ended.
	cfg.Processor.SetHooks(func(h *hooks.Processor) { h.IdleWait = 200 * time.Millisecond })
	return cfg
}

// The simulator runs if no upstream is set. If any setting of an upstream is set, it runs only with SIMULATOR=on.
func TestSimulatorIsDefault(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		environ   []string
		simulated bool
	}{
		"nothing":           {nil, true},
		"other settings":    {[]string{"WORKER_SLOTS_IMAGE=3"}, true},
		"image base":        {[]string{"POLLINATIONS_IMAGE_API_BASE=https://x.invalid"}, false},
		"text base":         {[]string{"POLLINATIONS_TEXT_API_BASE=https://x.invalid"}, false},
		"token":             {[]string{"POLLINATIONS_API_TOKEN=sk_x"}, false},
		"DeepSeek URL":      {[]string{"DEEPSEEK_API_URL=https://x.invalid"}, false},
		"DeepSeek key":      {[]string{"DEEPSEEK_API_KEY=sk-x"}, false},
		"DeepSeek model":    {[]string{"DEEPSEEK_MODEL=deepseek-flash"}, false},
		"off":               {[]string{"SIMULATOR=off"}, false},
		"on":                {[]string{"SIMULATOR=on"}, true},
		"on with upstreams": {[]string{"SIMULATOR=on", "DEEPSEEK_API_KEY=sk-x", "POLLINATIONS_API_TOKEN=sk_x"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := load(t, test.environ...).Upstreams
			if u.Simulated() != test.simulated {
				t.Errorf("simulated: %v", u.Simulated())
			}
			mode := app.ModeLive
			if test.simulated {
				mode = app.ModeSimulator
			}
			if u.Mode() != mode {
				t.Errorf("mode is %s", u.Mode())
			}
			if test.simulated != (len(u.Missing()) == 0) {
				t.Errorf("missing are %v", u.Missing())
			}
		})
	}
}

func TestMissingSettingsAreNamed(t *testing.T) {
	t.Parallel()
	all := []string{
		"POLLINATIONS_IMAGE_API_BASE=https://i.invalid", "POLLINATIONS_TEXT_API_BASE=https://t.invalid",
		"DEEPSEEK_API_URL=https://d.invalid", "DEEPSEEK_API_KEY=sk-x",
	}
	if missing := load(t, all...).Upstreams.Missing(); len(missing) != 0 {
		t.Errorf("missing are %v", missing)
	}
	for n, setting := range all {
		name, _, _ := strings.Cut(setting, "=")
		rest := slices.Delete(slices.Clone(all), n, n+1)
		if missing := load(t, rest...).Upstreams.Missing(); !slices.Equal(missing, []string{name}) {
			t.Errorf("missing are %v, want %s", missing, name)
		}
	}
}

// The description for the terminal has only the hosts of the URLs.
func TestDescriptionShowsNoSecrets(t *testing.T) {
	t.Parallel()
	text := app.Upstreams{
		ImageBase: "https://someone:planted1@images.invalid/v1?key=planted2", Token: "planted3",
		DeepSeekURL: "https://planted4@words.invalid/v1/chat/completions#planted5", DeepSeekKey: "planted6",
	}.Describe()
	if strings.Contains(text, "planted") {
		t.Errorf("a secret is shown: %s", text)
	}
	for _, part := range []string{"images.invalid", "words.invalid", "speech not set"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in %q", part, text)
		}
	}
	if text := (app.Upstreams{ImageBase: "://planted"}).Describe(); strings.Contains(text, "planted") {
		t.Errorf("an invalid URL is shown: %s", text)
	}
	if text := load(t).Upstreams.Describe(); !strings.Contains(text, "simulator") {
		t.Errorf("the simulator is not named: %s", text)
	}
}

func TestConfigReportsEveryError(t *testing.T) {
	t.Parallel()
	err := env.Load([]string{"SIMULATOR=maybe", "WORKER_SLOTS_AUDIO=-1", "IMAGE_TIMEOUT=0s"}, &app.Config{})
	if err == nil {
		t.Fatal("no error found")
	}
	for _, name := range []string{"SIMULATOR", "WORKER_SLOTS_AUDIO", "IMAGE_TIMEOUT"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in %q", name, err)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	cfg := load(t).Processor
	if cfg.SlotsImage != 8 || cfg.SlotsAudio != 8 || cfg.SlotsText != 16 || cfg.RetryInitialDelay != 1500*time.Millisecond ||
		cfg.RetryMaxDelay != time.Minute || cfg.ImageTimeout != 3*time.Minute || cfg.AudioTimeout != 2*time.Minute ||
		cfg.TextTimeout != 2*time.Minute || cfg.SoftStop != 20*time.Second {
		t.Errorf("defaults are %+v", cfg)
	}
}

func TestSoftStopIsShorterThanStopTimeout(t *testing.T) {
	t.Parallel()
	for soft, ok := range map[string]bool{"0s": true, "29s": true, "30s": false, "1h": false} {
		cfg := load(t, "WORKER_SOFT_STOP="+soft)
		err := cfg.CheckStop(30 * time.Second)
		if (err == nil) != ok {
			t.Errorf("%s: %v", soft, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "WORKER_SOFT_STOP") || !strings.Contains(err.Error(), "STOP_TIMEOUT")) {
			t.Errorf("%s: %v does not name both settings", soft, err)
		}
	}
}
