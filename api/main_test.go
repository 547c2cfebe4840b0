package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// runProgramEnv makes the test binary be the program itself, so that a test can kill it.
const runProgramEnv = "T2I_TEST_RUNS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(runProgramEnv) != "" {
		main()
	}
	dir, err := os.MkdirTemp("", "api-test")
	if err != nil {
		panic(err)
	}
	workerPath = filepath.Join(dir, "worker")
	code := brokertest.Main(m, 4).Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// hang bounds every wait. It is generous because the machine may be busy.
const hang = 2 * time.Minute

// program is the program in its own process.
type program struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	// url, nats and simulator are the URLs that the API prints.
	url, nats, simulator string
}

// startProgram starts a program and returns once ready returns true for a line of its standard output.
func startProgram(t *testing.T, path string, environ []string, ready func(p *program, line string) bool) *program {
	t.Helper()
	p := &program{cmd: exec.CommandContext(t.Context(), path)}
	p.cmd.Env, p.cmd.Stderr = environ, &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if ready(p, lines.Text()) {
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return p
		}
	}
	t.Fatalf("%s did not become ready: %s", path, &p.stderr)
	return nil
}

// startAPI starts the API with data in dir and returns once it is ready.
func startAPI(t *testing.T, dir string, variables ...string) *program {
	t.Helper()
	return startBinary(t, os.Args[0], dir, variables...)
}

// startBinary starts the API at path, which may be another version.
func startBinary(t *testing.T, path, dir string, variables ...string) *program {
	t.Helper()
	environ := append([]string{runProgramEnv + "=1", "DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0"}, variables...)
	return startProgram(t, path, environ, func(p *program, line string) bool {
		for label, url := range map[string]*string{"page and API": &p.url, "open to workers at ": &p.nats, "  simulator ": &p.simulator} {
			if _, value, ok := strings.Cut(line, label); ok {
				*url = strings.TrimSpace(value)
			}
		}
		return strings.HasPrefix(line, "Ready.")
	})
}

// stop sends SIGTERM and fails the test unless the program exits with 0.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("the program ended with %v: %s", err, &p.stderr)
	}
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// jobView is a job as the API returns it.
type jobView struct {
	ID         string         `json:"id"`
	Kind       string         `json:"kind"`
	Status     string         `json:"status"`
	FinishedAt string         `json:"finished_at"`
	Input      map[string]any `json:"input"`
	Error      *struct {
		Code string `json:"code"`
	} `json:"error"`
	Result struct {
		Text  string `json:"text"`
		Media []struct {
			URL    string `json:"url"`
			SHA256 string `json:"sha256"`
		} `json:"media"`
	} `json:"result"`
}

// request sends a JSON request and returns the job and status of the response.
func request(ctx context.Context, client *http.Client, method, url string, body any) (jobView, int, error) {
	var v jobView
	encoded, err := json.Marshal(body)
	if err != nil {
		return v, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		return v, 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return v, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	return v, resp.StatusCode, json.NewDecoder(resp.Body).Decode(&v)
}

// TestKillNine kills the whole system three times while jobs are submitted, queued, running and finished, and restarts it.
// Every accepted job must end exactly once.
func TestKillNine(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes most of a minute")
	}
	dir := t.TempDir()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()

	accepted := map[string]bool{}
	finished := map[string]jobView{}
	const rounds, each = 3, 40
	for round := range rounds {
		p := startAPI(t, dir)
		var wg sync.WaitGroup
		var mu sync.Mutex
		for n := range each {
			wg.Go(func() {
				kind, input := "image", map[string]any{"prompt": fmt.Sprintf("round %d image %d", round, n), "width": 64, "height": 64}
				if n%2 == 1 {
					kind, input = "prompt", map[string]any{"text": fmt.Sprintf("round %d text %d", round, n)}
				}
				// Some submissions are in transit when the program is killed; only a response counts.
				v, status, err := request(ctx, client, http.MethodPost, p.url+"/api/jobs", map[string]any{"kind": kind, "input": input})
				if err == nil && status == http.StatusAccepted {
					mu.Lock()
					accepted[v.ID] = true
					mu.Unlock()
				}
			})
		}
		// The program is killed once a few jobs of this round have ended.
		ended := 0
		for ended < 5 && ctx.Err() == nil {
			mu.Lock()
			var open []string
			for id := range accepted {
				if _, ok := finished[id]; !ok {
					open = append(open, id)
				}
			}
			mu.Unlock()
			for _, id := range open {
				v, _, err := request(ctx, client, http.MethodGet, p.url+"/api/jobs/"+id, nil)
				if err == nil && v.FinishedAt != "" {
					finished[id] = v
					ended++
				}
			}
		}
		p.kill()
		wg.Wait()
	}
	if len(accepted) <= len(finished) {
		t.Fatalf("%d accepted and %d finished: no job was unfinished at a kill", len(accepted), len(finished))
	}

	p := startAPI(t, dir)
	for id := range accepted {
		for {
			v, status, err := request(ctx, client, http.MethodGet, p.url+"/api/jobs/"+id+"?wait=30", nil)
			if err != nil || status != http.StatusOK {
				t.Fatalf("job %s: status %d, %v", id, status, err)
			}
			if v.FinishedAt == "" {
				continue
			}
			if v.Status != "succeeded" {
				t.Errorf("job %s %s", id, v.Status)
			}
			if before, ok := finished[id]; ok && before.FinishedAt != v.FinishedAt {
				t.Errorf("job %s ended at %s and again at %s", id, before.FinishedAt, v.FinishedAt)
			}
			for _, m := range v.Result.Media {
				checkDownload(ctx, t, client, p.url+m.URL, m.SHA256)
			}
			break
		}
	}
	t.Logf("%d jobs accepted over %d kills, all ended once; %d had ended before", len(accepted), rounds, len(finished))
}

func checkDownload(ctx context.Context, t *testing.T, client *http.Client, url, want string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, resp.Body); err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		t.Errorf("%s has SHA-256 %s, want %s", url, got, want)
	}
}

// TestInterruptStopsCleanly sends what Ctrl-C sends.
func TestInterruptStopsCleanly(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir())
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the program ended with %v: %s", err, &p.stderr)
	}
}

// TestHangupStopsCleanly sends what the closing of a terminal sends.
func TestHangupStopsCleanly(t *testing.T) {
	t.Parallel()
	// If nohup runs the tests, the programs would inherit that SIGHUP is ignored.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	dir := t.TempDir()
	api := startAPI(t, dir, "NATS_LISTEN=127.0.0.1:0")
	for _, cmd := range []*exec.Cmd{startWorker(t, buildWorker(t), api.nats, dir), api.cmd} {
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended with %v", cmd.Path, err)
		}
	}
}

// TestSecondProcessReportsDirInUse starts the program twice on the same data.
func TestSecondProcessReportsDirInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startAPI(t, dir)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{runProgramEnv + "=1", "DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailure {
		t.Errorf("the second program ended with %v", err)
	}
	if pid := fmt.Sprint(first.cmd.Process.Pid); !strings.Contains(string(out), dir) || !strings.Contains(string(out), pid) {
		t.Errorf("printed %q, want the directory and the process %s", out, pid)
	}
	if v, status, err := request(t.Context(), http.DefaultClient, http.MethodGet, first.url+"/livez", nil); status != http.StatusOK {
		t.Errorf("the first program: %v %d %v", v, status, err)
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir(), "HEALTH_CHECK_TOKEN=open-sesame")
	for _, tt := range []struct {
		name string
		args []string
		exit int
		out  string
	}{
		{"version", []string{"version"}, 0, "commit"},
		{"version as a flag", []string{"--version"}, 0, "commit"},
		{"version as a short flag", []string{"-version"}, 0, "commit"},
		{"help", []string{"help"}, 0, "usage"},
		{"help as a flag", []string{"-h"}, 0, "usage"},
		{"unknown", []string{"nonsense"}, exitUsage, ""},
		{"healthy", []string{"health", "-url", p.url, "--token", "open-sesame", "-v"}, 0, `"status": "ok"`},
		{"wrong token", []string{"health", "--url", p.url, "--token", "wrong", "--retries", "1", "--interval", "1"}, exitFailure, "unauthorized"},
		{"unreachable", []string{"health", "--url", "http://127.0.0.1:1", "--retries", "0"}, exitFailure, ""},
		{"bad URL", []string{"health", "--url", "nonsense"}, exitUsage, ""},
		{"serve with an argument", []string{"serve", "now"}, exitUsage, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if got := run(t.Context(), tt.args, nil, &stdout, &stderr); got != tt.exit {
				t.Errorf("exit %d, want %d: %s%s", got, tt.exit, &stdout, &stderr)
			}
			if !strings.Contains(stdout.String(), tt.out) {
				t.Errorf("printed %q, want %q in it", &stdout, tt.out)
			}
		})
	}
}

// TestEveryInvalidSettingIsNamed gives every package something to complain about.
func TestEveryInvalidSettingIsNamed(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	environ := []string{
		"LISTEN_ADDR=127.0.0.1:65536", "METRICS_ENABLED=on", "METRICS_ADDR=here", "DEFAULT_AUDIO_VOICE=nobody", "STOP_TIMEOUT=10s",
		"WORKER_SOFT_STOP=10s", "POLLINATIONS_IMAGE_API_BASE=ftp://x", "POLLINATIONS_TEXT_API_BASE=x", "DEEPSEEK_API_URL=x",
		"ALLOWED_ORIGINS=one,two,three", "NATS_SYNC=sometimes", "RESULT_TTL=1h", "WORKER_SLOTS_IMAGE=-1", "SIMULATOR=perhaps",
		"LOG_LEVEL=loud", "SYNC_WAIT=-1s", "FETCH_RETRY_MAX=none",
	}
	if got := run(t.Context(), nil, environ, &stdout, &stderr); got != exitFailure {
		t.Errorf("exit %d", got)
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if name == "METRICS_ENABLED" {
			continue
		}
		if !strings.Contains(stderr.String(), name) {
			t.Errorf("%s is not named in %q", name, &stderr)
		}
	}
	if n := strings.Count(stderr.String(), "ALLOWED_ORIGINS"); n != 1 {
		t.Errorf("ALLOWED_ORIGINS is named %d times", n)
	}
}

// TestInterruptWhileWaitingForNATS presses Ctrl-C before NATS is there.
func TestInterruptWhileWaitingForNATS(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, stderr := &bytes.Buffer{}, &writeNotifier{seen: make(chan struct{})}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, nil, []string{"NATS_URL=nats://127.0.0.1:1", "JWT_SECRET=0123456789abcdef", "LISTEN_ADDR=127.0.0.1:0"}, stdout, stderr)
	}()
	<-stderr.seen
	cancel()
	if got := <-done; got != 0 || !strings.Contains(stdout.String(), "stopped") {
		t.Errorf("exit %d: %s", got, stdout)
	}
}

// writeNotifier tells when something is written.
type writeNotifier struct {
	once sync.Once
	seen chan struct{}
}

func (f *writeNotifier) Write(p []byte) (int, error) {
	f.once.Do(func() { close(f.seen) })
	return len(p), nil
}
