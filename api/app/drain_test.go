package app_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// TestDrain stops a process with DRAIN_DELAY: /readyz returns 503, requests are still served, and connections are closed.
func TestDrain(t *testing.T) {
	t.Parallel()
	a, err := app.New(apptest.Config(t, t.TempDir(), "DRAIN_DELAY=8s"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	console := &textLog{written: make(chan struct{}, 16)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, console) }()
	until := func(text string) {
		t.Helper()
		for !strings.Contains(console.String(), text) {
			select {
			case <-console.written:
			case err := <-ended:
				t.Fatalf("ended before it printed %q: %v", text, err)
			case <-t.Context().Done():
				t.Fatalf("never printed %q", text)
			}
		}
	}
	until("Ready.")
	i := &apptest.Process{App: a, Client: &http.Client{Transport: &http.Transport{}}}
	if resp := i.Do(t, http.MethodGet, "/readyz", nil); resp.StatusCode != http.StatusOK || resp.Close {
		t.Errorf("before: %d, close %t", resp.StatusCode, resp.Close)
	}
	stop()
	until("draining")
	if resp := i.Do(t, http.MethodGet, "/readyz", nil); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !resp.Close {
		t.Errorf("draining: %d %v, close %t", resp.StatusCode, resp.Header, resp.Close)
	}
	if v := i.Submit(t, imageBody("a boat")); v.ID == "" {
		t.Error("a submission was not accepted")
	}
	if resp := i.Do(t, http.MethodGet, "/livez", nil); resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("draining: %d, close %t", resp.StatusCode, resp.Close)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL()+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := i.Client.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Error("the port is still open")
	}
}
