package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// workerPath is the path of the worker, which buildWorker builds. TestMain sets it.
var workerPath string

var workerBuild = sync.OnceValues(func() ([]byte, error) {
	return exec.CommandContext(context.Background(), "go", "build", "-o", workerPath, "../worker").CombinedOutput()
})

// buildWorker builds the program worker once, which this package must not import, and returns its path.
func buildWorker(t *testing.T) string {
	t.Helper()
	if out, err := workerBuild(); err != nil {
		t.Fatalf("build worker: %v: %s", err, out)
	}
	return workerPath
}

// startWorker starts a worker that finds the key for NATS in dir, and returns once it is ready.
func startWorker(t *testing.T, path, nats, dir string) *exec.Cmd {
	t.Helper()
	return startProgram(t, path, []string{"NATS_URL=" + nats, "DATA_DIR=" + dir}, func(_ *program, line string) bool {
		return strings.Contains(line, "upstream")
	}).cmd
}

// TestExternalWorkers has two workers, in processes of their own, do the work of an API that brings none, and kills one.
func TestExternalWorkers(t *testing.T) {
	t.Parallel()
	path := buildWorker(t)
	dir := t.TempDir()
	api := startAPI(t, dir, "NATS_LISTEN=127.0.0.1:0", "WORKER_SLOTS_IMAGE=0", "WORKER_SLOTS_AUDIO=0", "WORKER_SLOTS_TEXT=0")
	first, second := startWorker(t, path, api.nats, dir), startWorker(t, path, api.nats, dir)
	var ids []string
	for n := range 30 {
		v, status, err := request(t.Context(), http.DefaultClient, http.MethodPost, api.url+"/api/jobs",
			map[string]any{"kind": "image", "input": map[string]any{"prompt": fmt.Sprintf("image %d", n), "width": 64, "height": 64}})
		if err != nil || status != http.StatusAccepted {
			t.Fatalf("submit: %d, %v", status, err)
		}
		ids = append(ids, v.ID)
	}
	for n, id := range ids {
		for {
			v, status, err := request(t.Context(), http.DefaultClient, http.MethodGet, api.url+"/api/jobs/"+id+"?wait=30", nil)
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

// TestWorkerWithoutKeyNamesFile has a worker look in the wrong directory for the key of the API's NATS.
func TestWorkerWithoutKeyNamesFile(t *testing.T) {
	t.Parallel()
	api := startAPI(t, t.TempDir(), "NATS_LISTEN=127.0.0.1:0")
	cmd := exec.CommandContext(t.Context(), buildWorker(t))
	cmd.Env = []string{"NATS_URL=" + api.nats, "DATA_DIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "NATS_CREDS") || !strings.Contains(string(out), "nats_worker.nk") {
		t.Errorf("printed %q and ended with %v", out, err)
	}
}

func TestWorkerWithoutNATSNamesSetting(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), buildWorker(t))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "NATS_URL") {
		t.Errorf("printed %q and ended with %v", out, err)
	}
}

func TestWorkerCommands(t *testing.T) {
	t.Parallel()
	path := buildWorker(t)
	for argument, want := range map[string]struct {
		exit   int
		output string
	}{
		"version": {0, "commit"}, "--version": {0, "commit"}, "-version": {0, "commit"},
		"help": {0, "usage"}, "-h": {0, "usage"}, "--help": {0, "usage"}, "nonsense": {exitUsage, `unknown command "nonsense"`},
	} {
		cmd := exec.CommandContext(t.Context(), path, argument)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want.exit || !strings.Contains(string(out), want.output) {
			t.Errorf("%s: exit %d: %s", argument, got, out)
		}
	}
}
