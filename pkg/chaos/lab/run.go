//go:build unix

package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
)

const (
	// endTimeout bounds the wait for all jobs to end after all faults were removed. The job of a lost worker is redelivered
	// after 15 seconds, one that was throttled or failed some seconds later.
	endTimeout = 90 * time.Second
	// verifyTimeout bounds the verification.
	verifyTimeout = 2 * time.Minute
)

// Run builds and starts the programs, injects faults, removes them and verifies the store. It prints its progress and
// findings to out and returns true if there were no violations. It fails when the test itself cannot run.
func Run(ctx context.Context, cfg Config, out io.Writer) (passed bool, err error) {
	if err := cfg.Validate(); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return false, fmt.Errorf("create directory: %w", err)
	}
	defer func() {
		if passed && !cfg.Keep {
			_ = os.RemoveAll(dir)
			return
		}
		_, _ = fmt.Fprintf(out, "logs and data are kept in %s\n", dir)
	}()
	nats := fmt.Sprintf("%d nats-server", cfg.Nodes)
	if cfg.embedded() {
		nats = "embedded NATS"
	}
	_, _ = fmt.Fprintf(out, "seed %d, %s, %s of faults, up to %d jobs; building\n", cfg.Seed, nats, cfg.Duration, cfg.Jobs)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return false, fmt.Errorf("create directory: %w", err)
	}
	built, err := build(ctx, cfg, bin)
	if err != nil {
		return false, err
	}
	e := &experiment{cfg: cfg, out: out, model: model.New(), started: time.Now()}
	if e.cluster, err = newCluster(ctx, cfg, dir, built, e.model); err != nil {
		return false, fmt.Errorf("%w; %s", err, strings.Join(e.model.Violations(), "; "))
	}
	defer e.cluster.stop(context.WithoutCancel(ctx))
	if err := e.run(ctx); err != nil {
		return false, err
	}
	e.report()
	_ = os.RemoveAll(bin)
	return len(e.model.Violations()) == 0, nil
}

// experiment is one run.
type experiment struct {
	cfg      Config
	out      io.Writer
	model    *model.Model
	cluster  *cluster
	load     *load
	injector *injector
	audit    *audit
	started  time.Time
	// settleTime is how long it took after the healing until all jobs had ended.
	settleTime time.Duration
}

func (e *experiment) run(ctx context.Context) (err error) {
	jobs, end := context.WithCancel(ctx)
	defer end()
	if e.load, err = newLoad(jobs, e.cfg, e.cluster.urls(), e.model); err != nil {
		return err
	}
	if e.audit, err = startAudit(ctx, e.cluster); err != nil {
		return err
	}
	defer e.audit.end()
	e.injector = &injector{cluster: e.cluster, audit: e.audit, onKill: e.load.measureRecovery, upstreamBusy: make(chan struct{}, 1), counts: make(map[string]int)}
	e.logf("everything is ready; starting faults and clients")
	faulty, cancelFaults := context.WithTimeout(ctx, e.cfg.Duration)
	defer cancelFaults()
	loadDone := make(chan struct{})
	go func() { e.load.run(faulty); close(loadDone) }()
	e.injector.run(faulty)
	<-loadDone
	e.logf("faults are over; healing")
	healed := time.Now()
	if err := e.cluster.heal(ctx); err != nil {
		e.model.Violation("healing failed: %v", err)
	}
	if !e.load.wait(ctx, endTimeout) {
		for _, j := range e.model.Jobs() {
			if !j.Deleting && j.End == nil {
				e.model.Violation("job not ended %s after all faults were removed: %s (%s)", endTimeout, j.ID, j.Name)
			}
		}
	}
	e.settleTime = time.Since(healed)
	end()
	e.load.followers.Wait()
	e.logf("comparing the responses to clients with the store")
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	e.cluster.verify(ctx, e.load)
	e.load.accounts.verify(ctx, e.cfg.rng(10))
	return nil
}

func (e *experiment) logf(what string) {
	_, _ = fmt.Fprintf(e.out, "%6.1fs  %s\n", time.Since(e.started).Seconds(), what)
}
