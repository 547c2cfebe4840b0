//go:build linux

package measure_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/bench/ceiling"
	"github.com/text2image-audio/text2image-audio/pkg/bench/measure"
)

// TestMain serves the ceilings when Run starts the test binary for that.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == measure.CeilingCommand {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := ceiling.Serve(ctx, os.Args[2]); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// TestMeasurements runs one measurement of each kind on the real program, at a tiny scale.
func TestMeasurements(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	selected := []string{"burst-1k-always", "members-1k-always", "nodes-3", "latency", "reads", "streams-1000-jobs", "fan-out", "stored", "growth", "idle"}
	report, err := measure.Run(t.Context(), measure.Config{
		Module: "../../..", Scale: 0.0001, Runs: 1, Dir: dir, Select: regexp.MustCompile("^(" + strings.Join(selected, "|") + ")$"),
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var measured []string
	for _, row := range report.Rows {
		if !slices.Contains(measured, row.Measurement) {
			measured = append(measured, row.Measurement)
		}
		if row.Value <= 0 || row.Unit == "" {
			t.Errorf("%s: %s is %g %s", row.Measurement, row.Name, row.Value, row.Unit)
		}
		for _, c := range row.Ceilings {
			if c.Value <= 0 || c.Ratio <= 0 {
				t.Errorf("%s: %s has the ceiling %+v", row.Measurement, row.Name, c)
			}
		}
		// Quiet processes and what is stored have no ceiling.
		quiet := strings.HasPrefix(row.Name, "CPU, ") || row.Name == "fsyncs" || row.Measurement == "idle" && row.Name == "CPU"
		if len(row.Ceilings) == 0 && !quiet {
			t.Errorf("%s: %s has no ceiling", row.Measurement, row.Name)
		}
	}
	if !slices.Equal(measured, selected) {
		t.Errorf("measured %q, want %q", measured, selected)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	path := filepath.Join(dir, "bench.json")
	if err := report.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var written measure.Report
	if err := json.Unmarshal(data, &written); err != nil || written.String() != report.String() {
		t.Errorf("%v: %s", err, data)
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*measure.Config){
		"":                       func(*measure.Config) {},
		"scale":                  func(c *measure.Config) { c.Scale = 0 },
		"at most 1":              func(c *measure.Config) { c.Scale = 2 },
		"runs":                   func(c *measure.Config) { c.Runs = 0 },
		"no measurement matches": func(c *measure.Config) { c.Select = regexp.MustCompile("^unknown$") },
	} {
		cfg := measure.Config{Scale: 1, Runs: 1}
		change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
