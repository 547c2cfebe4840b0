package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	worker "github.com/text2image-audio/text2image-audio/worker/app"
)

var withPrometheus = flag.Bool("prometheus", false, "evaluate the dashboard on a real Prometheus, which must be on PATH (make rules)")

// installation is an API and a worker with their own NATS, and metrics as in the Compose installation.
type installation struct {
	url       string
	token     string
	metrics   map[string]string
	simulator *simulator.Simulator
	client    *http.Client
}

// install starts an installation that runs until the test ends.
func install(t *testing.T) *installation {
	t.Helper()
	root := secrets(t)
	srv := natsOf(t, read(t, "docker/nats.conf"), root)
	nats := func(role string) string {
		return strings.Replace(read(t, filepath.Join(root, "app/nats_"+role+"_url")), "nats:4222", strings.TrimPrefix(srv.ClientURL(), "nats://"), 1)
	}
	i := &installation{
		token:   filepath.Join(root, "app/metrics_token"),
		metrics: map[string]string{"api": freeAddress(t), "worker": freeAddress(t)},
		client:  &http.Client{Timeout: hang},
	}
	t.Cleanup(i.client.CloseIdleConnections)
	log := slog.New(slog.DiscardHandler)
	monitored := func(program string) []string {
		return []string{"METRICS_ENABLED=on", "METRICS_ADDR=" + i.metrics[program], "METRICS_TOKEN_FILE=" + i.token}
	}

	cfg := api.Default()
	must(t, env.Load(append(monitored("api"),
		"NATS_URL="+nats("api"), "JWT_SECRET_FILE="+filepath.Join(root, "app/jwt_secret"), "LISTEN_ADDR=127.0.0.1:0", "DATA_DIR="+t.TempDir(),
		"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "MAX_ACTIVE_JOBS_GUEST=0",
	), &cfg))
	a, err := api.New(cfg, log)
	must(t, err)
	must(t, a.Start(t.Context()))
	t.Cleanup(func() { must(t, a.Stop(context.WithoutCancel(t.Context()))) })
	i.url = a.URL()

	var settings worker.Config
	var tele telemetry.Config
	follower := broker.Config{Follower: true}
	must(t, env.Load(append(monitored("worker"), "NATS_URL="+nats("worker"), "SIMULATOR=on", "DATA_DIR="+t.TempDir()), &settings, &follower, &tele))
	settings.Latency = simulator.Latency{}
	m := telemetry.NewMetrics()
	follower.Observer = m
	server := telemetry.NewServer(tele, m, log)
	must(t, server.Start(t.Context()))
	t.Cleanup(func() { must(t, server.Stop(context.WithoutCancel(t.Context()))) })
	b, err := broker.Open(t.Context(), follower, log)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close(context.WithoutCancel(t.Context()))) })
	m.SetBroker(b)
	w := worker.New(settings, b, m, log)
	must(t, w.Start(t.Context()))
	t.Cleanup(func() { must(t, w.Stop(context.WithoutCancel(t.Context()))) })
	i.simulator = w.Simulator()
	return i
}

// freeAddress returns a loopback address with an unused port.
func freeAddress(t *testing.T) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", brokertest.FreePort(t))
}

// traffic submits jobs of every kind, waits for them and sends ordinary requests until ctx ends, so that all series change.
func (i *installation) traffic(ctx context.Context) {
	send := func(method, path, body string) {
		req, err := http.NewRequestWithContext(ctx, method, i.url+path, strings.NewReader(body))
		if err != nil {
			return
		}
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Prefer", "wait=5")
		}
		if resp, err := i.client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	}
	for ctx.Err() == nil {
		for _, body := range []string{
			`{"kind":"image","input":{"prompt":"a boat"}}`, `{"kind":"audio","input":{"text":"good evening"}}`,
			`{"kind":"prompt","input":{"text":"a cat"}}`, `{"kind":"translation","input":{"text":"你好"}}`, `{"kind":"image","input":{"prompt":"refused"}}`,
		} {
			send(http.MethodPost, "/api/jobs", body)
		}
		send(http.MethodPost, "/api/generate", `{"text":"a pond","type":"image"}`)
		send(http.MethodGet, "/api/models", "")
		lifecycle.Sleep(ctx, 100*time.Millisecond)
	}
}

// prometheus starts a Prometheus with deploy/prometheus that scrapes an installation, and returns its URL.
func (i *installation) prometheus(t *testing.T) string {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	config := read(t, "prometheus/prometheus.yml")
	for program, target := range i.metrics {
		config = regexp.MustCompile(`(?s)(job_name: `+program+`\n.*?)dns_sd_configs:.*?port: \d+}`).ReplaceAllString(config, "${1}static_configs: [{targets: ['"+target+"']}]")
	}
	config = strings.NewReplacer("_interval: 15s", "_interval: 1s", "/run/secrets/t2i/metrics_token", i.token).Replace(config)
	for _, name := range []string{"rules.yml", "slo.yml"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(read(t, "prometheus/"+name)), 0o600))
	}
	must(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=warn")
	cmd.Stderr = &log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("Prometheus says:\n%s", log.String())
		}
	})
	return "http://" + address
}

// query evaluates an expression and returns its values.
func (i *installation) query(ctx context.Context, prometheus, expr string) (values []float64, message string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, prometheus+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return nil, err.Error()
	}
	resp, err := i.client.Do(req)
	if err != nil {
		return nil, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct {
		Error string
		Data  struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, err.Error()
	}
	for _, r := range body.Data.Result {
		text, _ := r.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err == nil && !math.IsNaN(value) {
			values = append(values, value)
		}
	}
	return values, body.Error
}

// TestDashboardHasData evaluates every query of the dashboard on a real Prometheus that scrapes a real API and worker while
// jobs of every kind succeed, fail and are throttled. The first query of each panel must return a value.
func TestDashboardHasData(t *testing.T) {
	if !*withPrometheus {
		t.Skip("run with -prometheus, as make rules does")
	}
	if _, err := exec.LookPath("prometheus"); err != nil {
		t.Fatalf("-prometheus needs the program prometheus: %v", err)
	}
	i := install(t)
	must(t, i.simulator.Script(
		simulator.Rule{Kind: simulator.KindImage, Contains: "refused", Fault: "moderated"},
		simulator.Rule{Kind: simulator.KindSpeech, Fault: "rate_limited", RetryAfter: time.Second, Probability: 0.3},
	))
	prometheus := i.prometheus(t)
	ctx, stop := context.WithTimeout(t.Context(), hang)
	var traffic sync.WaitGroup
	traffic.Go(func() { i.traffic(ctx) })
	t.Cleanup(func() { stop(); traffic.Wait() })
	interval := strings.NewReplacer("$__rate_interval", "30s")
	for _, p := range panels(t) {
		for n, target := range p.Targets {
			expr := interval.Replace(target.Expr)
			for {
				values, message := i.query(ctx, prometheus, expr)
				if message == "" && (len(values) > 0 || n > 0) {
					break
				}
				if !lifecycle.Sleep(ctx, 500*time.Millisecond) {
					t.Fatalf("%s: %s has %d values, %s", p.Title, expr, len(values), message)
				}
			}
		}
	}
	for _, program := range []string{"api", "worker"} {
		if values, message := i.query(ctx, prometheus, `up{job="`+program+`"}`); len(values) != 1 || values[0] != 1 {
			t.Errorf("%s is not scraped: %v %s", program, values, message)
		}
	}
	if values, message := i.query(ctx, prometheus, `sum(text2image_scrape_errors_total)`); len(values) != 1 || values[0] != 0 {
		t.Errorf("reads for scrapes failed: %v %s", values, message)
	}
}
