package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// serverURL is the URL of a running API, against which the examples run.
var serverURL string

func TestMain(m *testing.M) {
	code, err := withServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withServer runs an API with simulated upstreams during f.
func withServer(f func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "client-test")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cfg := app.Default()
	if err := env.Load([]string{"DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0", "NATS_SYNC=1m", "WEBHOOK_ALLOW=127.0.0.0/8"}, &cfg); err != nil {
		return 1, err
	}
	cfg.Worker.Latency = simulator.Latency{}
	a, err := app.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return 1, err
	}
	ctx := context.Background()
	if err := a.Start(ctx); err != nil {
		return 1, err
	}
	serverURL = a.URL()
	if err := signUp(ctx); err != nil {
		return 1, err
	}
	code = f()
	return code, a.Stop(ctx)
}

// password is that of the account of the examples.
const password = "four words in a row"

// signUp creates the account of the examples and puts its password into the environment.
func signUp(ctx context.Context) error {
	body := strings.NewReader(`{"username":"Ann","email":"ann@example.org","password":"` + password + `"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, serverURL+"/api/auth/register", body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("sign up: %s", resp.Status)
	}
	return os.Setenv("T2I_PASSWORD", password)
}
