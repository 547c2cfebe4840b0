//go:build unix

package lab_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/lab"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hang = 2 * time.Minute

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	valid := lab.Config{Duration: time.Second, Every: time.Second, Nodes: 3, Jobs: 1, Only: "kill nats"}
	for want, change := range map[string]func(*lab.Config){
		"":          func(*lab.Config) {},
		"duration":  func(c *lab.Config) { c.Duration = 0 },
		"every":     func(c *lab.Config) { c.Every = 0 },
		"nodes":     func(c *lab.Config) { c.Nodes = 2 },
		"jobs":      func(c *lab.Config) { c.Jobs = 0 },
		"kill nats": func(c *lab.Config) { c.Only = "kill unknown" },
	} {
		cfg := valid
		change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", want, err)
		}
	}
	// Only the embedded NATS has the fault, and the faults of nats-servers are not among its own.
	for nodes, only := range map[int]string{0: "cut the power", 1: "kill nats"} {
		cfg := valid
		cfg.Nodes, cfg.Only = nodes, only
		if err := cfg.Validate(); err != nil {
			t.Errorf("%d nodes: %v", nodes, err)
		}
		cfg.Nodes = 1 - nodes
		if err := cfg.Validate(); err == nil {
			t.Errorf("%d nodes: %q is accepted", cfg.Nodes, only)
		}
	}
	if _, err := lab.Run(t.Context(), lab.Config{}, io.Discard); err == nil {
		t.Error("an empty configuration is accepted")
	}
}

// TestOrders checks that orders are reproducible and of every kind.
func TestOrders(t *testing.T) {
	t.Parallel()
	kinds, keyed := map[string]int{}, 0
	for seed := range uint64(300) {
		body, kind, key, least := lab.Order(rand.New(rand.NewPCG(seed, 1)), "lab000001")
		again, _, _, _ := lab.Order(rand.New(rand.NewPCG(seed, 1)), "lab000001")
		if !bytes.Equal(body, again) {
			t.Errorf("seed %d: %s and %s", seed, body, again)
		}
		var sent struct {
			Kind  string `json:"kind"`
			Input struct {
				Prompt, Text string
				N            int
			} `json:"input"`
		}
		if err := json.Unmarshal(body, &sent); err != nil || sent.Kind != kind {
			t.Fatalf("%s: %v", body, err)
		}
		if !strings.Contains(sent.Input.Prompt+sent.Input.Text, "lab000001") || least < max(1, sent.Input.N) {
			t.Errorf("%s needs %d calls", body, least)
		}
		kinds[kind]++
		if key != "" {
			keyed++
		}
	}
	if len(kinds) != 4 || keyed == 0 || keyed == 300 {
		t.Errorf("%v, %d with a key", kinds, keyed)
	}
}

func TestCheckLog(t *testing.T) {
	t.Parallel()
	line := `{"time":"2026-01-01T00:00:00.1Z","level":"INFO","msg":"a"}` + "\n"
	for name, c := range map[string]struct {
		log       string
		busiest   int
		violation string
		errors    int
	}{
		"normal":         {strings.Repeat(line, 3) + "a banner\n", 3, "", 0},
		"too many lines": {strings.Repeat(line, 1001), 1001, "1001 lines", 0},
		"panic":          {line + "panic: runtime error\n", 1, "panic", 0},
		"race":           {"WARNING: DATA RACE\n", 0, "DATA RACE", 0},
		"internal error": {`{"msg":"request","status":500}` + "\n" + `{"msg":"request","status":503}` + "\n", 0, "", 1},
	} {
		dir, m := t.TempDir(), model.New()
		if err := os.WriteFile(filepath.Join(dir, "x.log"), []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		got, errors := lab.CheckLog(dir, "x", m)
		violations := strings.Join(m.Violations(), "\n")
		if got != c.busiest || len(errors) != c.errors || (violations == "") != (c.violation == "") || !strings.Contains(violations, c.violation) {
			t.Errorf("%s: %d, %q, %q", name, got, errors, violations)
		}
	}
}

// TestRemovedEnds checks which jobs are found in what a power cut has removed.
func TestRemovedEnds(t *testing.T) {
	t.Parallel()
	const owner, ended, another = "guest", "01a226fa-3f0a-7113-a9d4-899df22a164a", "4696be8d-930a-886e-98f9-d131883ab69d"
	record := func(id string) string { return "\x16" + broker.RecordSubject(owner, id) + `{"v":1}` }
	media := broker.ManifestSubject(owner, another, 0) + "{}" + broker.ChunkSubject(owner, another, 0, "abcd", 0) + "{}"
	for _, c := range []struct {
		path, data string
		want       []string
	}{
		{broker.ResultsStream + "/msgs/1.blk", media + record(ended) + media, []string{ended}},
		{broker.ResultsStream + "/msgs/1.blk", record(ended) + record(another), []string{ended, another}},
		{broker.ResultsStream + "/msgs/2.blk", "", nil},
		{broker.StreamJobs + "/msgs/1.blk", record(ended), nil},
	} {
		if got := lab.RemovedEnds(c.path, []byte(c.data)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.path, got, c.want)
		}
	}
}

// TestChild kills, stops and pauses a real process.
func TestChild(t *testing.T) {
	t.Parallel()
	exited := make(chan string, 1)
	child, end := lab.NewChild(t.TempDir(), func(name string, _ error) { exited <- name }, "/bin/sh", "-c", "exec sleep 1000")
	defer end()
	for _, ending := range []func() error{
		child.Kill,
		func() error { return child.Stop(t.Context(), hang) },
		// A paused process does not handle SIGTERM.
		func() error {
			if err := child.Pause(); err != nil {
				return err
			}
			return child.Stop(t.Context(), 50*time.Millisecond)
		},
	} {
		if err := child.Launch(); err != nil {
			t.Fatal(err)
		}
		if !child.Alive() {
			t.Error("the process does not run")
		}
		if err := ending(); err != nil {
			t.Error(err)
		}
		if child.Alive() {
			t.Error("the process still runs")
		}
	}
	select {
	case name := <-exited:
		t.Errorf("%s is reported to have exited by itself", name)
	default:
	}
	if !child.TryLock() || child.TryLock() {
		t.Error("the lock is not exclusive")
	}
	child.Unlock()
}

func TestChildExitsByItself(t *testing.T) {
	t.Parallel()
	exited := make(chan string, 1)
	child, end := lab.NewChild(t.TempDir(), func(name string, _ error) { exited <- name }, "/bin/sh", "-c", "echo bye; exit 3")
	defer end()
	if err := child.Launch(); err != nil {
		t.Fatal(err)
	}
	select {
	case name := <-exited:
		if name != "child" {
			t.Error(name)
		}
	case <-time.After(hang):
		t.Fatal("onExit was not called")
	}
	<-child.Ended()
	if data, err := os.ReadFile(child.Log()); err != nil || string(data) != "bye\n" {
		t.Errorf("%q, %v", data, err)
	}
}
