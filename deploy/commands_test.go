package deploy_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shellBlock is a fenced block of shell commands in a guide.
type shellBlock struct {
	line int
	text string
	// notRun is the reason why the test does not run it, if any.
	notRun string
}

var (
	shellFence = regexp.MustCompile("^```(\\S*)$")
	notRun     = regexp.MustCompile(`^<!-- not run: (.+) -->$`)
)

// shellBlocks returns the shell blocks of a guide in order.
func shellBlocks(t *testing.T, path string) []shellBlock {
	t.Helper()
	var blocks []shellBlock
	var current *shellBlock
	inside, reason := false, ""
	for n, line := range strings.Split(read(t, path), "\n") {
		m := shellFence.FindStringSubmatch(line)
		switch {
		case m != nil && !inside:
			inside = true
			if m[1] == "sh" {
				current = &shellBlock{line: n + 1, notRun: reason}
			}
			reason = ""
		case m != nil:
			if current != nil {
				blocks = append(blocks, *current)
			}
			inside, current = false, nil
		case current != nil:
			current.text += line + "\n"
		case !inside && line != "":
			reason = ""
			if m := notRun.FindStringSubmatch(line); m != nil {
				reason = m[1]
			}
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no commands", path)
	}
	return blocks
}

// operatedHost is a machine with the programs on PATH and a running API, as the guides assume.
type operatedHost struct {
	url, dir string
	env      []string
}

// operate builds the programs and starts the API with embedded NATS and worker.
func operate(t *testing.T) *operatedHost {
	t.Helper()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the guides use %s, which is not on PATH", tool)
		}
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	must(t, os.Mkdir(bin, 0o700))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../api", "../worker")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	here, err := os.Getwd()
	must(t, err)
	must(t, os.Symlink(here, filepath.Join(dir, "deploy")))

	listen, metrics := freeAddress(t), freeAddress(t)
	h := &operatedHost{url: "http://" + listen, dir: dir}
	path := bin + string(os.PathListSeparator) + os.Getenv("PATH") //nolint:forbidigo // A shell needs the PATH of this machine.
	const adminKey, healthToken, metricsToken = "a key of the operator", "a-health-token", "a-metrics-token"
	h.env = []string{
		"PATH=" + path, "HOME=" + dir, "API_URL=" + h.url, "HEALTH_CHECK_URL=" + h.url, "HEALTH_CHECK_TOKEN=" + healthToken,
		"ADMIN_KEY=" + adminKey, "METRICS_URL=http://" + metrics + "/metrics", "METRICS_TOKEN=" + metricsToken,
	}
	// It must outlive the context of the test, which ends before the cleanup that stops it.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, "api"))
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + path, "HOME=" + dir, "LISTEN_ADDR=" + listen, "DATA_DIR=" + filepath.Join(dir, "data"), "SIMULATOR=on", "LOG_LEVEL=info",
		"METRICS_ENABLED=on", "METRICS_ADDR=" + metrics, "METRICS_TOKEN=" + metricsToken, "ADMIN_KEY=" + adminKey, "HEALTH_CHECK_TOKEN=" + healthToken,
	}
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	done := make(chan error, 1)
	go func() {
		done <- cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the API stops with %v", err)
			}
		case <-time.After(hang):
			_ = cmd.Process.Kill()
			t.Errorf("the API does not stop: %v", <-done)
		}
		if t.Failed() {
			t.Logf("log of the API:\n%s", log.String())
		}
	})
	for end := time.Now().Add(hang); ; {
		if answers(t.Context(), h.url+"/readyz") {
			return h
		}
		select {
		case err := <-done:
			t.Fatalf("the API ends at its start: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("the API does not become ready")
		}
	}
}

// answers reports whether a GET returns 200.
func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// shell runs a script like a reader of the guides, and returns its output.
func (h *operatedHost) shell(ctx context.Context, dir, script string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, hang)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, h.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestCommandsOfGuides runs every command of the main guides. A comment above a block that cannot run here gives the reason;
// its syntax is checked.
func TestCommandsOfGuides(t *testing.T) {
	t.Parallel()
	h := operate(t)
	for _, guide := range []string{"../README.md", "api.md", "accounts.md", "runbook.md"} {
		t.Run(strings.TrimPrefix(guide, "../"), func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Symlink(filepath.Join(h.dir, "deploy"), filepath.Join(dir, "deploy")))
			var script strings.Builder
			for _, block := range shellBlocks(t, guide) {
				text := strings.ReplaceAll(block.text, "http://127.0.0.1:8080", h.url)
				if block.notRun != "" {
					if out, err := h.shell(t.Context(), dir, "bash -n <<'BLOCK'\n"+text+"BLOCK\n"); err != nil {
						t.Errorf("line %d: %v\n%s", block.line, err, out)
					}
					continue
				}
				// Blocks share their variables, as in one shell.
				fmt.Fprintf(&script, "echo '# line %d'\n%s", block.line, text)
			}
			out, err := h.shell(t.Context(), dir, script.String())
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestVerifyFindsFaults runs verify.sh against faulty installations.
func TestVerifyFindsFaults(t *testing.T) {
	t.Parallel()
	h := operate(t)
	for name, c := range map[string]struct{ script, want string }{
		"wrong token":   {"HEALTH_CHECK_TOKEN=wrong deploy/verify.sh $API_URL", "FAIL  GET /internal/health: status 401"},
		"other version": {"EXPECT_VERSION=v9.9.9 deploy/verify.sh $API_URL", "FAIL  version is"},
		"no metrics":    {"METRICS_TOKEN=wrong deploy/verify.sh $API_URL", "FAIL  GET " + strings.TrimPrefix(h.env[6], "METRICS_URL=")},
		"no server":     {"METRICS_URL= deploy/verify.sh http://127.0.0.1:9", "FAIL  GET /livez"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := h.shell(t.Context(), h.dir, c.script)
			if err == nil || !strings.Contains(out, c.want) || !strings.Contains(out, "Not verified") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
