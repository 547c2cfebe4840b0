package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildWorker builds the program worker, which this package must not import.
func buildWorker(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../worker")
	cmd.Env = os.Environ()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build worker: %v: %s", err, out)
	}
	return path
}

// startWorker runs a worker on a NATS, with the key that it finds in a directory, and returns when it says that it works.
func startWorker(t *testing.T, path, nats, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path)
	cmd.Env = []string{"NATS_URL=" + nats, "DATA_DIR=" + dir}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.Contains(lines.Text(), "upstream") {
			return cmd
		}
	}
	t.Fatalf("the worker did not start: %s", &stderr)
	return nil
}

// TestOutsideWorkers has two workers, in processes of their own, do the work of an API that brings none, and kills one.
func TestOutsideWorkers(t *testing.T) {
	t.Parallel()
	path := buildWorker(t)
	dir := t.TempDir()
	api := launch(t, dir, "NATS_LISTEN=127.0.0.1:0", "WORKER_SLOTS_IMAGE=0", "WORKER_SLOTS_AUDIO=0", "WORKER_SLOTS_TEXT=0")
	first, second := startWorker(t, path, api.nats, dir), startWorker(t, path, api.nats, dir)
	var ids []string
	for n := range 30 {
		v, status, err := ask(t.Context(), http.DefaultClient, http.MethodPost, api.url+"/api/jobs",
			map[string]any{"kind": "image", "input": map[string]any{"prompt": fmt.Sprintf("picture %d", n), "width": 64, "height": 64}})
		if err != nil || status != http.StatusAccepted {
			t.Fatalf("submit: %d, %v", status, err)
		}
		ids = append(ids, v.ID)
	}
	for n, id := range ids {
		for {
			v, status, err := ask(t.Context(), http.DefaultClient, http.MethodGet, api.url+"/api/jobs/"+id+"?wait=30", nil)
			if err != nil || status != http.StatusOK {
				t.Fatalf("read: %d, %v", status, err)
			}
			if v.FinishedAt == "" {
				continue
			}
			if v.Status != "succeeded" {
				t.Errorf("job %s %s", id, v.Status)
			}
			break
		}
		if n == 3 {
			if err := first.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the worker ended with %v", err)
	}
}

// TestWorkerWithoutTheKeySaysWhereItIs has a worker look in the wrong directory for the key of the API's NATS.
func TestWorkerWithoutTheKeySaysWhereItIs(t *testing.T) {
	t.Parallel()
	api := launch(t, t.TempDir(), "NATS_LISTEN=127.0.0.1:0")
	cmd := exec.CommandContext(t.Context(), buildWorker(t))
	cmd.Env = []string{"NATS_URL=" + api.nats, "DATA_DIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "NATS_CREDS") || !strings.Contains(string(out), "nats_worker.nk") {
		t.Errorf("it says %q and ends with %v", out, err)
	}
}

func TestWorkerWithoutNATSSaysSo(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), buildWorker(t))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "NATS_URL") {
		t.Errorf("it says %q and ends with %v", out, err)
	}
}

func TestWorkerCommands(t *testing.T) {
	t.Parallel()
	path := buildWorker(t)
	for argument, want := range map[string]struct {
		exit int
		says string
	}{
		"version": {0, "commit"}, "--version": {0, "commit"}, "-version": {0, "commit"},
		"help": {0, "usage"}, "-h": {0, "usage"}, "--help": {0, "usage"}, "nonsense": {exitUsage, `unknown command "nonsense"`},
	} {
		cmd := exec.CommandContext(t.Context(), path, argument)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want.exit || !strings.Contains(string(out), want.says) {
			t.Errorf("%s: exit %d: %s", argument, got, out)
		}
	}
}
