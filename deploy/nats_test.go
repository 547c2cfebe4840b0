// Package deploy_test tests the guides and the configurations in this directory with the real programs.
package deploy_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	api "github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	worker "github.com/text2image-audio/text2image-audio/worker/app"
)

// hang bounds every wait, generously for busy machines.
const hang = 3 * time.Minute

// secrets generates the secrets of the Compose installation and returns their directory.
func secrets(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	uid := strconv.Itoa(os.Getuid())
	for range 2 { // A second start keeps existing secrets.
		cmd := exec.CommandContext(t.Context(), "sh", "docker/secrets.sh", root)
		cmd.Env = append(cmd.Environ(), "NATS_HOST=nats", "APP_UID="+uid, "NATS_UID="+uid, "PROMETHEUS_UID="+uid, "GRAFANA_UID="+uid)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("secrets.sh: %v\n%s", err, out)
		}
	}
	return root
}

// read returns the content of a file.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// natsOf starts a server with a configuration, a temporary store and a free port.
func natsOf(t *testing.T, conf, secrets string) *server.Server {
	t.Helper()
	dir := t.TempDir()
	// Compose sets these as environment variables, which a test that runs beside others cannot.
	conf = "NATS_SERVER_NAME: t2i-nats\nNATS_MAX_FILE_STORE: 1GB\n" + conf
	if err := os.WriteFile(filepath.Join(dir, "nats.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(secrets, "nats"), filepath.Join(dir, "secrets")); err != nil {
		t.Fatal(err)
	}
	opts, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if !opts.SyncAlways {
		t.Error("a write is acknowledged before it is on disk")
	}
	opts.Host, opts.Port, opts.HTTPPort, opts.StoreDir, opts.NoSigs = "127.0.0.1", server.RANDOM_PORT, 0, t.TempDir(), true
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	})
	if !srv.ReadyForConnections(hang) {
		t.Fatal("NATS did not become ready")
	}
	return srv
}

// TestComposeNATS runs the API and a worker as in Compose, each with its own NATS user, and runs every kind of job, and the jobs of a
// member with a budget.
func TestComposeNATS(t *testing.T) {
	t.Parallel()
	c := startCompose(t, read(t, "docker/nats.conf"))
	for kind, input := range map[string]string{
		"image": `{"prompt":"a boat","n":2}`, "audio": `{"text":"good evening"}`, "prompt": `{"text":"a cat"}`, "translation": `{"text":"你好"}`,
	} {
		if resp := c.do(t, http.MethodPost, "/api/jobs", `{"kind":"`+kind+`","input":`+input+`}`); resp.Status != "succeeded" {
			t.Errorf("%s: %+v", kind, resp)
		}
	}
	c.register(t)
	if resp := c.do(t, http.MethodPut, "/api/usage/budget", `{"per_day":"0.003"}`); len(resp.Error) > 0 {
		t.Errorf("set a budget: %+v", resp)
	}
	// The prices come from the worker.
	for limit := time.Now().Add(hang); c.do(t, http.MethodGet, "/api/models", "").Source != "upstream"; {
		if time.Now().After(limit) {
			t.Fatal("the API has no prices")
		}
	}
	for _, cached := range []bool{false, true} {
		if resp := c.do(t, http.MethodPost, "/api/jobs", `{"kind":"image","input":{"prompt":"a boat","seed":7}}`); resp.Status != "succeeded" || resp.Cached != cached {
			t.Errorf("a job with a budget: %+v", resp)
		}
	}
	if resp := c.do(t, http.MethodPost, "/api/jobs", `{"kind":"image","input":{"prompt":"a boat"}}`); resp.Code != "budget_exceeded" {
		t.Errorf("beyond the budget: %+v", resp)
	}
	workerSeesNoAccounts(t, c.url("worker"))
}

// TestComposeNATSBeforeUpdate runs a member's job on a NATS that still has the permissions of a release without costs and shared results.
func TestComposeNATSBeforeUpdate(t *testing.T) {
	t.Parallel()
	conf := read(t, "docker/nats.conf")
	for _, permission := range []string{`"spend.>", `, `"$JS.API.STREAM.MSG.GET.SPEND", `, `"$KV.CACHE.*.*", `, `"$JS.API.STREAM.MSG.GET.KV_CACHE",`} {
		if !strings.Contains(conf, permission) {
			t.Fatalf("there is no %s", permission)
		}
		conf = strings.ReplaceAll(conf, permission, "")
	}
	c := startCompose(t, conf)
	c.register(t)
	resp := c.do(t, http.MethodPost, "/api/jobs", `{"kind":"image","input":{"prompt":"a boat","seed":7}}`)
	if resp.Status != "succeeded" {
		t.Fatalf("%+v", resp)
	}
	// A job can be deleted once it has left the queue.
	for limit := time.Now().Add(hang); ; {
		gone := c.do(t, http.MethodDelete, "/api/jobs/"+resp.ID, "")
		if gone.Code == "" {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the job stays in the queue: %+v", gone)
		}
	}
}

// compose is an API and a worker on one NATS.
type compose struct {
	url    func(role string) string
	api    string
	client *http.Client
	token  string
}

// startCompose starts a NATS with a configuration, and an API and a worker with the users of Compose.
func startCompose(t *testing.T, conf string) *compose {
	t.Helper()
	root := secrets(t)
	srv := natsOf(t, conf, root)
	url := func(role string) string {
		return strings.Replace(read(t, filepath.Join(root, "app/nats_"+role+"_url")), "nats:4222", strings.TrimPrefix(srv.ClientURL(), "nats://"), 1)
	}
	log := slog.New(slog.DiscardHandler)

	cfg := api.Default()
	must(t, env.Load([]string{
		"NATS_URL=" + url("api"), "JWT_SECRET_FILE=" + filepath.Join(root, "app/jwt_secret"), "LISTEN_ADDR=127.0.0.1:0", "DATA_DIR=" + t.TempDir(),
		"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "PBKDF2_ITERATIONS=1000",
	}, &cfg))
	a, err := api.New(cfg, log)
	must(t, err)
	must(t, a.Start(t.Context()))
	t.Cleanup(func() { must(t, a.Stop(context.WithoutCancel(t.Context()))) })

	var settings worker.Config
	follower := broker.Config{Follower: true}
	must(t, env.Load([]string{"NATS_URL=" + url("worker"), "SIMULATOR=on", "DATA_DIR=" + t.TempDir()}, &settings, &follower))
	settings.Latency = simulator.Latency{}
	b, err := broker.Open(t.Context(), follower, log)
	must(t, err)
	t.Cleanup(func() { must(t, b.Close(context.WithoutCancel(t.Context()))) })
	w := worker.New(settings, b, telemetry.NewMetrics(), log)
	must(t, w.Start(t.Context()))
	t.Cleanup(func() { must(t, w.Stop(context.WithoutCancel(t.Context()))) })

	client := &http.Client{Timeout: hang}
	t.Cleanup(client.CloseIdleConnections)
	return &compose{url: url, api: a.URL(), client: client}
}

// register makes further requests those of a member.
func (c *compose) register(t *testing.T) {
	t.Helper()
	resp := c.do(t, http.MethodPost, "/api/auth/register", `{"username":"Ann","email":"ann@example.org","password":"correct horse"}`)
	if c.token = resp.Token; c.token == "" {
		t.Fatalf("register: %+v", resp)
	}
}

// workerSeesNoAccounts checks that a worker cannot read accounts.
func workerSeesNoAccounts(t *testing.T, url string) {
	t.Helper()
	nc, err := nats.Connect(url, nats.CustomInboxPrefix("_INBOX_WORKER"))
	must(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := js.KeyValue(ctx, broker.BucketUsers); err == nil {
		t.Error("a worker opened the bucket of accounts")
	}
}

// answer is the part of a job, account or problem that the tests need. The status of a problem is a number.
type answer struct {
	ID, Token, Code string
	Source          string
	Cached          bool
	Status          string
	Error           json.RawMessage
}

func (c *compose) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.api+path, strings.NewReader(body))
	must(t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Prefer", "wait=60")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.client.Do(req)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	var a answer
	if len(data) == 0 {
		return a
	}
	var status *json.UnmarshalTypeError
	if err := json.Unmarshal(data, &a); err != nil && (!errors.As(err, &status) || status.Field != "Status") {
		t.Fatalf("%s: %d %s", path, resp.StatusCode, data)
	}
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
