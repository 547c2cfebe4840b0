//go:build linux

package measure

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	mib = 1 << 20
	kib = 1 << 10
)

// cpu returns the CPU time that a process has used. It adds up its threads, which are counted in nanoseconds, where the time of
// the process is counted in hundredths of a second. The Go runtime keeps its threads, so none is missing.
func (p *process) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid()))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("read CPU time: no threads of process %d", p.pid())
	}
	total := time.Duration(0)
	for _, task := range tasks {
		data, err := os.ReadFile(task) //nolint:gosec // A file of the kernel.
		if err != nil {
			continue // The thread has ended meanwhile.
		}
		run, _, _ := bytes.Cut(data, []byte(" "))
		ns, err := strconv.ParseInt(string(run), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		total += time.Duration(ns)
	}
	return total, nil
}

// resident and peak return the memory that a process occupies and the most that it has occupied, in bytes.
func (p *process) resident() (float64, error) { return p.memory("VmRSS:") }

func (p *process) peak() (float64, error) { return p.memory("VmHWM:") }

// allocated returns the memory that a process occupies without its files, in bytes: the system reads and drops the pages of a
// program as it likes.
func (p *process) allocated() (float64, error) { return p.memory("RssAnon:") }

func (p *process) memory(field string) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range bytes.Lines(data) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == field {
			n, err := strconv.ParseFloat(string(f[1]), 64)
			if err != nil {
				return 0, fmt.Errorf("read memory: %w", err)
			}
			return n * kib, nil
		}
	}
	return 0, fmt.Errorf("read memory: no %s", field)
}

// diskUsage returns the bytes that the files below a directory occupy.
func diskUsage(dir string) (float64, error) {
	const block = 512
	total := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			total += stat.Blocks * block
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure disk usage: %w", err)
	}
	return float64(total), nil
}
