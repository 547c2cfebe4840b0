package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// TestHealthCommand holds the command against that of the system before this one: its flags, its variables and its
// exit codes.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	const bad = `{"status":"degraded","checks":[{"name":"nats","status":"ok","details":{}},` +
		`{"name":"workers","status":"degraded","details":{"reason":"nobody","hint":"Start a worker."}}]}`
	var requests, failures atomic.Int32
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/internal/health":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("Authorization") != "Bearer open-sesame":
			w.WriteHeader(http.StatusUnauthorized)
		case requests.Add(1) <= failures.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(bad))
		default:
			_, _ = w.Write([]byte(`{"status":"ok"}`))
		}
	}))
	defer api.Close()
	for name, c := range map[string]struct {
		failures int32
		environ  []string
		args     []string
		exit     int
		asked    int32
		printed  int
	}{
		"healthy":               {0, nil, []string{"--url", api.URL, "--token", "open-sesame"}, 0, 1, 1},
		"the full path":         {0, nil, []string{"--url", api.URL + "/internal/health", "--token=open-sesame"}, 0, 1, 1},
		"from variables":        {0, []string{"HEALTH_CHECK_URL=" + api.URL, "HEALTH_CHECK_TOKEN=open-sesame"}, nil, 0, 1, 1},
		"flags win":             {0, []string{"HEALTH_CHECK_URL=http://127.0.0.1:1", "HEALTH_CHECK_TOKEN=x"}, []string{"--url", api.URL, "--token", "open-sesame"}, 0, 1, 1},
		"healthy after retries": {2, nil, []string{"--url", api.URL, "--token", "open-sesame", "--retries", "2", "--interval", "1"}, 0, 3, 1},
		"verbose":               {2, nil, []string{"--url", api.URL, "--token", "open-sesame", "--retries", "2", "--interval", "1", "-v"}, 0, 3, 3},
		"verbose, in full":      {2, nil, []string{"--url", api.URL, "--token", "open-sesame", "--retries", "2", "--interval", "1", "--verbose"}, 0, 3, 3},
		"never healthy":         {99, []string{"HEALTH_CHECK_RETRIES=1", "HEALTH_CHECK_INTERVAL_MS=1"}, []string{"--url", api.URL, "--token", "open-sesame"}, exitFailure, 2, 1},
		"three retries":         {99, []string{"HEALTH_CHECK_INTERVAL_MS=1"}, []string{"--url", api.URL, "--token", "open-sesame"}, exitFailure, 4, 1},
		"a wrong token":         {0, nil, []string{"--url", api.URL, "--token", "wrong", "--retries", "0"}, exitFailure, 0, 1},
		"no such flag":          {0, nil, []string{"--urls", api.URL}, exitUsage, 0, 0},
		"a bad variable":        {0, []string{"HEALTH_CHECK_RETRIES=often"}, []string{"--url", api.URL}, exitUsage, 0, 0},
		"negative interval":     {0, nil, []string{"--url", api.URL, "--interval", "-1"}, exitUsage, 0, 0},
	} {
		requests.Store(0)
		failures.Store(c.failures)
		var stdout, stderr bytes.Buffer
		exit := run(t.Context(), append([]string{"health"}, c.args...), c.environ, &stdout, &stderr)
		printed := strings.Count(stdout.String(), "200 OK") + strings.Count(stdout.String(), "503 Service") + strings.Count(stdout.String(), "401 Unauthorized")
		if exit != c.exit || requests.Load() != c.asked || printed != c.printed {
			t.Errorf("%s: exit %d, %d requests, printed %d reports: %s%s", name, exit, requests.Load(), printed, &stdout, &stderr)
		}
		if c.failures == 99 && !strings.Contains(stderr.String(), "workers: degraded, nobody. Start a worker.") {
			t.Errorf("%s: the reason is not printed: %s", name, &stderr)
		}
		if strings.Contains(stderr.String(), "open-sesame") {
			t.Errorf("%s: the token is printed: %s", name, &stderr)
		}
	}
}
