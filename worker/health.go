package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// healthTimeout bounds the request.
const healthTimeout = 5 * time.Second

// health fails if the worker that listens on METRICS_ADDR is not ready. It is the health check of a container without a
// shell.
func health(ctx context.Context, environ []string) error {
	cfg := telemetry.Config{MetricsAddr: defaultMetricsAddr}
	if err := env.Load(environ, &cfg); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("METRICS_ADDR: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("create request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the worker is not ready (status %d)", resp.StatusCode)
	}
	return nil
}
