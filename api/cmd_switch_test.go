package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// freeAddress returns an address with an unused port.
func freeAddress(t testing.TB) string {
	t.Helper()
	return fmt.Sprint("127.0.0.1:", brokertest.FreePort(t))
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.After(hang); !holds(); {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("never: %s", what)
		}
	}
}

// statusOf returns the status with which an address answers, 0 when nobody listens.
func statusOf(t *testing.T, method, url, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// loggingWorker starts a worker that serves metrics, and returns it with the file that it logs to.
func loggingWorker(t *testing.T, path, nats, dir, metrics string) (*exec.Cmd, func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = []string{"NATS_URL=" + nats, "DATA_DIR=" + dir, "METRICS_ENABLED=on", "METRICS_ADDR=" + metrics}
	cmd.Stderr = file
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "the worker is ready", func() bool { return statusOf(t, http.MethodGet, "http://"+metrics+"/readyz", "") == http.StatusOK })
	return cmd, func() string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

// TestSwitchCommands changes the switches of a running API and a running worker, kills both, and starts them again.
func TestSwitchCommands(t *testing.T) {
	t.Parallel()
	worker, dir := buildWorker(t), t.TempDir()
	own, others := freeAddress(t), freeAddress(t)
	variables := []string{"NATS_LISTEN=127.0.0.1:0", "ADMIN_KEY=" + operatorKey, "METRICS_ADDR=" + own, "WORKER_SLOTS_IMAGE=0"}
	api := startAPI(t, dir, variables...)
	first, log := loggingWorker(t, worker, api.nats, dir, others)
	submit := func() int {
		return statusOf(t, http.MethodPost, api.url+"/api/jobs", `{"kind":"prompt","input":{"text":"x"}}`)
	}
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"log-level"}, "log-level is error (from the environment)"},
		{[]string{"log-level", "info", "--reason", "ticket 7"}, "log-level is info (set 20"},
		{[]string{"metrics", "on"}, "metrics is on (set 20"},
		{[]string{"accept"}, "accept is on (from the environment)"},
		{[]string{"accept", "off", "--for", "10m", "--reason", "maintenance"}, "reason: maintenance, environment: on)"},
		{[]string{"status"}, "maintenance"},
		{[]string{"accept", "-o", "json"}, `"value": "off"`},
	} {
		if got := api.mustRun(t, step.args...); !strings.Contains(got, step.want) {
			t.Errorf("api %v: no %q in\n%s", step.args, step.want, got)
		}
	}
	eventually(t, "the API serves metrics", func() bool { return statusOf(t, http.MethodGet, "http://"+own+"/metrics", "") == http.StatusOK })
	api.mustRun(t, "metrics", "off")
	eventually(t, "the API serves no metrics", func() bool { return statusOf(t, http.MethodGet, "http://"+own+"/metrics", "") == 0 })
	eventually(t, "the worker serves no metrics", func() bool {
		return statusOf(t, http.MethodGet, "http://"+others+"/metrics", "") == http.StatusServiceUnavailable
	})
	if got := statusOf(t, http.MethodGet, "http://"+others+"/livez", ""); got != http.StatusOK {
		t.Errorf("the worker's probe: %d", got)
	}
	eventually(t, "the worker logs at info", func() bool {
		return strings.Contains(log(), `"msg":"log level changed","before":"error","after":"info"`)
	})
	if got := submit(); got != http.StatusServiceUnavailable {
		t.Errorf("a submission: %d", got)
	}

	_ = first.Process.Kill()
	_ = first.Wait()
	api.kill()
	api = startAPI(t, dir, variables...)
	_, log = loggingWorker(t, worker, api.nats, dir, others)
	if got := submit(); got != http.StatusServiceUnavailable {
		t.Errorf("a submission after the start: %d", got)
	}
	if got := statusOf(t, http.MethodGet, "http://"+others+"/metrics", ""); got != http.StatusServiceUnavailable {
		t.Errorf("the metrics of a worker that starts while they are off: %d", got)
	}
	if got := log(); !strings.Contains(got, `"after":"info"`) {
		t.Errorf("a worker that starts later logs %s", got)
	}
	if got := api.mustRun(t, "accept", "on"); !strings.HasPrefix(got, "accept is on (from the environment, last changed 20") {
		t.Errorf("accept on: %s", got)
	}
	if got := submit(); got != http.StatusAccepted {
		t.Errorf("a submission in the end: %d", got)
	}
	api.mustRun(t, "metrics", "--reset")
	eventually(t, "the worker serves metrics", func() bool { return statusOf(t, http.MethodGet, "http://"+others+"/metrics", "") == http.StatusOK })

	var record struct{ Deployments []deployment }
	if err := json.Unmarshal([]byte(api.mustRun(t, "deployments", "-o", "json")), &record); err != nil || len(record.Deployments) != 1 || record.Deployments[0].Starts != 2 {
		t.Errorf("%+v, %v", record, err)
	}
	if got := api.mustRun(t, "deployments"); !strings.HasPrefix(got, "FIRST START ") || strings.Count(got, "\n") != 2 {
		t.Errorf("deployments: %s", got)
	}
}

func TestSwitchCommandsUsage(t *testing.T) {
	t.Parallel()
	api := startAPI(t, t.TempDir(), "ADMIN_KEY="+operatorKey)
	for exit, all := range map[int][][]string{
		exitUsage: {
			{"log-level", "loud"},
			{"log-level", "info", "debug"},
			{"metrics", "yes"},
			{"accept", "off", "--for", "-5m"},
			{"accept", "off", "--for", "5m", "--until", "2100-01-01T00:00:00Z"},
			{"accept", "off", "--until", "tomorrow"},
			{"accept", "off", "--until", "2000-01-01T00:00:00Z"},
			{"accept", "--reset", "off"},
			{"accept", "--reason", "none"},
			{"deployments", "all"},
		},
		exitFailure: {{"accept", "off", "--for", "1000h"}, {"log-level", "--url", "http://127.0.0.1:1"}, {"deployments", "--url", "http://127.0.0.1:1"}},
		0:           {{"log-level", "-h"}, {"metrics", "-h"}, {"accept", "-h"}, {"deployments", "-h"}, {"accept", "off", "--until", time.Now().Add(time.Hour).Format(time.RFC3339)}},
	} {
		for _, args := range all {
			if got, _, stderr := api.command(t, args...); got != exit || (exit > 0) != strings.Contains(stderr, "api "+args[0]+": ") {
				t.Errorf("api %v: exit %d, want %d: %s", args, got, exit, stderr)
			}
		}
	}
}
