//go:build linux

package measure

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// measurementTimeout bounds one measurement. The longest takes a minute on two free processors.
const measurementTimeout = 5 * time.Minute

// measurement measures a few figures that belong together.
type measurement struct {
	name    string
	measure func(context.Context, *bench) error
}

func measurements() []measurement {
	return []measurement{
		{"burst-1k-always", burst{sync: syncAlways, jobs: 5000, size: small}.measure},
		{"burst-150k-always", burst{sync: syncAlways, jobs: 500, size: large}.measure},
		{"burst-1k-1s", burst{sync: syncInterval, jobs: 5000, size: small}.measure},
		{"burst-150k-1s", burst{sync: syncInterval, jobs: 500, size: large}.measure},
		{"members-1k-always", burst{sync: syncAlways, jobs: 5000, size: small, members: 8}.measure},
		{"members-1k-1s", burst{sync: syncInterval, jobs: 5000, size: small, members: 8}.measure},
		{"workers-1", separate{workers: 1, nodes: 1}.measure},
		{"workers-2", separate{workers: 2, nodes: 1}.measure},
		{"workers-4", separate{workers: 4, nodes: 1}.measure},
		{"nodes-3", separate{workers: 2, nodes: 3}.measure},
		{"latency", measureLatency},
		{"reads", measureReads},
		{"streams-1000-jobs", func(ctx context.Context, b *bench) error { return measureStreams(ctx, b, 1000) }},
		{"streams-10000-jobs", func(ctx context.Context, b *bench) error { return measureStreams(ctx, b, 10000) }},
		{"fan-out", measureFanOut},
		{"stored", measureStored},
		{"growth", measureGrowth},
		{"idle", measureIdle},
	}
}

// Names returns the names of all measurements, in their order.
func Names() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

// bench is one run of all selected measurements.
type bench struct {
	cfg      Config
	dir      string
	program  string
	upstream *upstream
	// name is the measurement that runs.
	name  string
	rows  []Row
	notes []string
}

// Run builds the API and measures it. It prints its progress to out. It fails when anything that it checks is wrong, and
// leaves no process and no file behind, also when ctx ends.
func Run(ctx context.Context, cfg Config, out io.Writer) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(cfg.Dir, "bench-")
	if err != nil {
		return nil, fmt.Errorf("create directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	started := time.Now()
	progress := func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%6.1fs  %s\n", time.Since(started).Seconds(), fmt.Sprintf(format, args...))
	}
	progress("building")
	built, err := (&bench{cfg: cfg, dir: dir}).build(ctx, "./api")
	if err != nil {
		return nil, err
	}
	up, err := startUpstream(ctx)
	if err != nil {
		return nil, err
	}
	defer up.stop()
	report := &Report{When: started.UTC(), CPUs: runtime.NumCPU(), Scale: cfg.Scale, Runs: cfg.Runs}
	var runs [][]Row
	for i := range cfg.Runs {
		b := &bench{cfg: cfg, dir: dir, program: built, upstream: up}
		for _, m := range measurements() {
			if cfg.Select != nil && !cfg.Select.MatchString(m.name) {
				continue
			}
			progress("run %d of %d: %s", i+1, cfg.Runs, m.name)
			if err := b.one(ctx, m); err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
		}
		runs = append(runs, b.rows)
		for _, note := range b.notes {
			if !slices.Contains(report.Notes, note) {
				report.Notes = append(report.Notes, note)
			}
		}
	}
	report.Rows = medians(runs)
	progress("done")
	return report, nil
}

// one runs one measurement in a directory of its own.
func (b *bench) one(ctx context.Context, m measurement) error {
	ctx, cancel := context.WithTimeout(ctx, measurementTimeout)
	defer cancel()
	b.name = m.name
	defer func() {
		b.upstream.release()
		_ = os.RemoveAll(b.measurementDir())
	}()
	if err := os.Mkdir(b.measurementDir(), 0o700); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	return m.measure(ctx, b)
}

func (b *bench) measurementDir() string { return filepath.Join(b.dir, b.name) }

// path returns a path in the directory of the measurement.
func (b *bench) path(name string) string { return filepath.Join(b.measurementDir(), name) }

// add adds a row. A ceiling of 0 was not measured and is left out.
func (b *bench) add(name string, value float64, unit string, ceilings ...Ceiling) {
	row := Row{Measurement: b.name, Name: name, Value: value, Unit: unit}
	for _, c := range ceilings {
		if c.Value > 0 {
			row.Ceilings = append(row.Ceilings, Ceiling{Name: c.Name, Value: c.Value, Ratio: value / c.Value})
		}
	}
	b.rows = append(b.rows, row)
}

// figure returns a figure that an earlier measurement of this run has added, 0 if there is none.
func (b *bench) figure(measurement, name string) float64 {
	for _, row := range b.rows {
		if row.Measurement == measurement && row.Name == name {
			return row.Value
		}
	}
	return 0
}

// note adds a note to the report.
func (b *bench) note(format string, args ...any) {
	b.notes = append(b.notes, b.name+": "+fmt.Sprintf(format, args...))
}

// build builds a program without debug information, as `make build` does, unless this run has built it already, and returns its path.
func (b *bench) build(ctx context.Context, program string) (string, error) {
	out := filepath.Join(b.dir, filepath.Base(strings.TrimSuffix(program, "/v2")))
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out, program}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // The names are constants.
	cmd.Dir = b.cfg.Module
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") //nolint:forbidigo // The toolchain needs its own environment.
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", program, err, text)
	}
	return out, nil
}
