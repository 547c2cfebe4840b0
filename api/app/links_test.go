package app_test

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// TestVerificationLinkOnConsole requires confirmed email addresses without a mail server, on loopback.
func TestVerificationLinkOnConsole(t *testing.T) {
	t.Parallel()
	console := &textLog{written: make(chan struct{}, 1)}
	cfg := apptest.Config(t, t.TempDir(), "PBKDF2_ITERATIONS=1", "REQUIRE_VERIFIED_EMAIL=on")
	accounttest.AllowWeakHashes(t)
	cfg.Console = console
	i := start(t, cfg)
	signed := i.signUp(t, "ann@example.org", "correct horse")
	body := fields{"kind": "image", "input": fields{"prompt": "a boat"}}
	if resp := i.Do(t, http.MethodPost, "/api/jobs", body, signed); resp.StatusCode != http.StatusForbidden || !bytes.Contains(resp.Data, []byte("email_not_verified")) {
		t.Errorf("a submission before: %d %s", resp.StatusCode, resp.Data)
	}
	<-console.written
	m := regexp.MustCompile(`http://\S+/verify-email\?token=(\S+)`).FindStringSubmatch(console.String())
	if m == nil || strings.Contains(console.String(), "ann@") {
		t.Fatalf("console: %s", console)
	}
	if resp := i.Do(t, http.MethodPost, "/api/auth/verify-email", fields{"token": m[1]}); resp.StatusCode != http.StatusOK {
		t.Errorf("confirm: %d %s", resp.StatusCode, resp.Data)
	}
	i.Submit(t, body, signed)
}

// TestEmailVerificationSetting tries the values of REQUIRE_VERIFIED_EMAIL with and without a mail server.
func TestEmailVerificationSetting(t *testing.T) {
	t.Parallel()
	const smtp, from = "SMTP_URL=smtp://127.0.0.1:25", "MAIL_FROM=us@example.org"
	for name, c := range map[string]struct {
		variables []string
		verifies  bool
		fault     string
	}{
		"auto":                       {nil, false, ""},
		"auto with mail":             {[]string{smtp, from}, true, ""},
		"off with mail":              {[]string{smtp, from, "REQUIRE_VERIFIED_EMAIL=off"}, false, ""},
		"on":                         {[]string{"REQUIRE_VERIFIED_EMAIL=on"}, true, ""},
		"on and reachable by others": {[]string{"REQUIRE_VERIFIED_EMAIL=on", "LISTEN_ADDR=0.0.0.0:0"}, true, "SMTP_URL"},
		"invalid":                    {[]string{"REQUIRE_VERIFIED_EMAIL=perhaps"}, false, "REQUIRE_VERIFIED_EMAIL"},
	} {
		cfg := app.Default()
		err := env.Load(append([]string{"DATA_DIR=" + t.TempDir(), "LISTEN_ADDR=127.0.0.1:0"}, c.variables...), &cfg)
		if (err == nil) != (c.fault == "") || (err != nil && !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v", name, err)
		}
		if got := app.Verifies(cfg); err == nil && got != c.verifies {
			t.Errorf("%s: verifies %t", name, got)
		}
	}
}

// TestReachableServerPrintsNoLinks has no mail server and an API or page that others can reach.
func TestReachableServerPrintsNoLinks(t *testing.T) {
	t.Parallel()
	for name, variable := range map[string]string{
		"all addresses": "LISTEN_ADDR=0.0.0.0:0", "proxy": "TRUSTED_PROXIES=127.0.0.1", "remote page": "FRONTEND_URL=https://page.example",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkNoLinks(t, variable)
		})
	}
}

func checkNoLinks(t *testing.T, variable string) {
	t.Helper()
	console := &textLog{}
	cfg := apptest.Config(t, t.TempDir(), variable, "PBKDF2_ITERATIONS=1")
	accounttest.AllowWeakHashes(t)
	cfg.Console = console
	i := start(t, cfg)
	i.signUp(t, "ann@example.org", "correct horse")
	for range 2 {
		if resp := i.Do(t, http.MethodPost, "/api/auth/forgot-password", fields{"email": "ann@example.org"}); resp.StatusCode != http.StatusOK {
			t.Errorf("%d %s", resp.StatusCode, resp.Data)
		}
	}
	if console.String() != "" {
		t.Errorf("console: %s", console)
	}
	if resp := i.Do(t, http.MethodGet, "/internal/health", nil); !bytes.Contains(resp.Data, []byte(`"mail_off"`)) {
		t.Errorf("health: %s", resp.Data)
	}
	stream, err := i.Broker().JetStream().Stream(t.Context(), "KV_RESET_TOKENS")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("$KV.RESET_TOKENS.*"))
	if err != nil || len(info.State.Subjects) != 0 {
		t.Errorf("a reset token was created: %v", err)
	}
}
