package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// TestMailRequired checks the health report without a mail server.
func TestMailRequired(t *testing.T) {
	t.Parallel()
	for variable, status := range map[string]int{
		"MAIL=auto": http.StatusOK, "MAIL=/var/mail/root": http.StatusOK, "MAIL=required": http.StatusServiceUnavailable,
	} {
		i := start(t, apptest.Config(t, t.TempDir(), variable))
		resp := i.Do(t, http.MethodGet, "/internal/health", nil)
		if resp.StatusCode != status || !bytes.Contains(resp.Data, []byte(`"reason":"mail_off"`)) {
			t.Errorf("%s: %d %s", variable, resp.StatusCode, resp.Data)
		}
		if off := bytes.Contains(resp.Data, []byte(`"name":"mail","status":"off"`)); off != (status == http.StatusOK) {
			t.Errorf("%s: %s", variable, resp.Data)
		}
	}
}

func TestMailSettings(t *testing.T) {
	t.Parallel()
	for variables, fault := range map[string]string{
		"SMTP_URL=smtp://mail.example.org":                                                      "MAIL_FROM",
		"SMTP_URL=http://mail.example.org MAIL_FROM=a@b.c":                                      "SMTP_URL",
		"SMTP_URL=smtp:// MAIL_FROM=a@b.c":                                                      "SMTP_URL",
		"SMTP_URL=smtps://u:secret@mail.example.org MAIL_FROM=a@b.c LISTEN_ADDR=0.0.0.0:1":      "FRONTEND_URL",
		"SMTP_URL=smtps://u:secret@mail.example.org:x MAIL_FROM=a@b.c":                          "SMTP_URL",
		"SMTP_URL=smtps://u:secret@mail.example.org MAIL_FROM=a@b.c FRONTEND_URL=https://x.org": "",
		"SMTP_URL=smtp://mail.example.org MAIL_FROM=a@b.c LISTEN_ADDR=localhost:1":              "",
		"SMTP_URL=smtp://mail.example.org MAIL_FROM=a@b.c TRUSTED_PROXIES=10.0.0.1":             "FRONTEND_URL",
		"MAIL=auto":           "",
		"MAIL=required":       "",
		"MAIL=requierd":       "MAIL",
		"MAIL=/var/mail/root": "", // Login shells set it.
	} {
		_, err := app.Load(append(strings.Fields(variables), "DATA_DIR="+t.TempDir()))
		if text := fmt.Sprint(err); (fault == "") != (err == nil) || !strings.Contains(text, fault) || strings.Contains(text, "secret") {
			t.Errorf("%s: %v", variables, err)
		}
	}
}
