package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	_ "image/jpeg" // The simulator makes JPEG files.
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// called is the outcome of a command.
type called struct {
	exit        int
	out, errors string
}

func (p *program) call(ctx context.Context, args ...string) called {
	return p.callWith(ctx, nil, args...)
}

// callWith runs a command with more settings.
func (p *program) callWith(ctx context.Context, environ []string, args ...string) called {
	var out, errs bytes.Buffer
	exit := run(ctx, args, slices.Concat(environ, []string{"T2I_URL=" + p.url}), &out, &errs)
	return called{exit, out.String(), errs.String()}
}

// TestSubmitCommands submits, saves, watches, cancels and lists jobs as in the examples of the commands.
func TestSubmitCommands(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir(), "ADMIN_KEY="+operatorKey, "QUOTA_GUEST_PER_MINUTE=0")
	dir := t.TempDir()

	fox := filepath.Join(dir, "fox.jpg")
	if got := p.call(t.Context(), "submit", "a fox", "--size", "256x192", "-n", "2", "-o", fox); got.exit != 0 || strings.Count(got.out, "\n") != 2 {
		t.Fatalf("submit: %+v", got)
	}
	for _, name := range []string{"fox-1.jpg", "fox-2.jpg"} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		size, _, err := image.DecodeConfig(f)
		_ = f.Close()
		if err != nil || size.Width != 256 || size.Height != 192 {
			t.Errorf("%s: %v, %v", name, size, err)
		}
	}
	night := filepath.Join(dir, "night.jpg")
	if got := p.call(t.Context(), "submit", "at night", "--model", "gptimage", "--reference", filepath.Join(dir, "fox-1.jpg"), "--reference", "https://a.example/x.png", "-o", night); got.exit != 0 {
		t.Errorf("submit with references: %+v", got)
	}
	speech := filepath.Join(dir, "welcome.wav")
	if got := p.call(t.Context(), "speak", "Good evening.", "-o", speech); got.exit != 0 {
		t.Fatalf("speak: %+v", got)
	}
	if data, err := os.ReadFile(speech); err != nil || !bytes.HasPrefix(data, []byte("RIFF")) {
		t.Errorf("the speech is no WAV file: %v", err)
	}
	if got := p.call(t.Context(), "submit", "--kind", "translation", "黄昏时的灯塔"); got.exit != 0 || strings.TrimSpace(got.out) == "" {
		t.Errorf("translate: %+v", got)
	}

	// Prices are known when the worker has read the models of the upstream.
	deadline := time.Now().Add(hang)
	for strings.HasPrefix(p.call(t.Context(), "submit", "a fox", "--dry-run").out, "cost unknown") && time.Now().Before(deadline) {
		continue
	}
	if got := p.call(t.Context(), "submit", "a fox", "-n", "2", "--dry-run"); got.exit != 0 || !strings.HasPrefix(got.out, "costs 0.004 pollen") {
		t.Errorf("dry run: %+v", got)
	}
	if got := p.call(t.Context(), "speak", "Good evening.", "--dry-run", "--json"); got.exit != 0 || !strings.Contains(got.out, `"characters":13`) {
		t.Errorf("dry run: %+v", got)
	}
	var own struct {
		Input struct{ Seed int }
	}
	if got := p.call(t.Context(), "submit", "a fox", "--seed", "7", "--no-cache", "-o", "json"); json.Unmarshal([]byte(got.out), &own) != nil || own.Input.Seed != 7 {
		t.Errorf("submit without the cache: %+v", got)
	}

	// An interrupted wait leaves the job alone.
	p.mustRun(t, "pause", "image")
	id := strings.TrimSpace(p.call(t.Context(), "submit", "a fox", "--no-wait").out)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := p.call(ctx, "watch", id); got.exit != exitInterrupted || !strings.Contains(got.errors, "the job goes on") {
		t.Errorf("interrupted: %+v", got)
	}
	got := p.call(t.Context(), "cancel", id, "-o", "json")
	var j jobView
	if err := json.Unmarshal([]byte(got.out), &j); err != nil || got.exit != 0 || j.Status != "canceled" || j.ID != id {
		t.Errorf("cancel: %+v, %v", got, err)
	}
	if got := p.call(t.Context(), "watch", id); got.exit != exitFailure || !strings.Contains(got.errors, "canceled") {
		t.Errorf("watch a canceled job: %+v", got)
	}

	for name, c := range map[string]struct {
		args []string
		exit int
		part string
	}{
		"no text":     {[]string{"submit"}, exitUsage, "api submit -h"},
		"size":        {[]string{"submit", "a", "--size", "12"}, exitUsage, "1024x768"},
		"too small":   {[]string{"submit", "a", "--size", "1x1"}, exitFailure, "/input/width"},
		"no identity": {[]string{"list"}, exitFailure, "T2I_API_KEY"},
		"no file":     {[]string{"submit", "a", "--model", "gptimage", "--reference", night + "x"}, exitFailure, "read reference image"},
		"no image":    {[]string{"submit", "a", "--model", "gptimage", "--reference", speech}, exitFailure, "invalid_picture"},
		"unknown job": {[]string{"watch", "0199d0f4-6b01-7c3a-8f52-1f6d0a3c9e11"}, exitFailure, "not_found"},
		"output":      {[]string{"list", "-o", "x"}, exitUsage, "json"},
		"help":        {[]string{"submit", "-h"}, 0, "fox-4.jpg"},
		"no url":      {[]string{"submit", "a fox", "--kind", "prompt", "-url", "ftp://x"}, exitUsage, "url"},
	} {
		if got := p.call(t.Context(), c.args...); got.exit != c.exit || !strings.Contains(got.errors, c.part) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestListCommand lists jobs by what was attached to them.
func TestListCommand(t *testing.T) {
	t.Parallel()
	p := startAPI(t, t.TempDir(), "PBKDF2_ITERATIONS=600000")
	var made struct{ ID, Key string }
	p.create(t, "/api/keys", p.signUp(t, "ann@example.org"), map[string]any{"name": "command line", "scopes": []string{"submit", "read"}}, &made)
	key := []string{"T2I_API_KEY=" + made.Key}
	submit := []string{"submit", "--kind", "prompt", "a fox", "--tag", "spring", "--tag", "fox", "--metadata", "order=1=2"}
	if got := p.callWith(t.Context(), key, submit...); got.exit != 0 {
		t.Fatalf("submit: %+v", got)
	}
	got := p.callWith(t.Context(), key, "list", "--tag", "fox", "--tag", "spring", "--text", "FOX", "--since", "1h", "--json")
	var labeled struct {
		Metadata map[string]string `json:"metadata"`
		Tags     []string          `json:"tags"`
	}
	if err := json.Unmarshal([]byte(got.out), &labeled); err != nil || labeled.Metadata["order"] != "1=2" || len(labeled.Tags) != 2 {
		t.Errorf("by tags: %+v, %v", got, err)
	}
	for _, other := range [][]string{{"--until", "1h"}, {"--tag", "cat"}, {"--text", "cat"}, {"--kind", "image"}} {
		if got := p.callWith(t.Context(), key, append([]string{"list"}, other...)...); got.exit != 0 || got.out != "" {
			t.Errorf("%v: %+v", other, got)
		}
	}
	if got := p.callWith(t.Context(), key, "submit", "a fox", "--metadata", "order"); got.exit != exitUsage || !strings.Contains(got.errors, "name=value") {
		t.Errorf("metadata without a value: %+v", got)
	}
}
