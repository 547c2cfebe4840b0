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

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
)

const (
	// endTimeout bounds the wait for all jobs to end, once everything is good again. A lost worker's job comes back after
	// 15 seconds, and one that was throttled or failed some seconds after that.
	endTimeout = 90 * time.Second
	// verifyTimeout bounds the comparison.
	verifyTimeout = 2 * time.Minute
)

// Run builds and starts everything, lets it suffer, heals it and compares. It writes what it does and finds to out, and
// returns true when nothing was found. It fails when the laboratory itself cannot work.
func Run(ctx context.Context, cfg Config, out io.Writer) (good bool, err error) {
	if err := cfg.Validate(); err != nil {
		return false, err
	}
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return false, fmt.Errorf("make directory: %w", err)
	}
	defer func() {
		if good && !cfg.Keep {
			_ = os.RemoveAll(dir)
			return
		}
		_, _ = fmt.Fprintf(out, "logs and data are kept in %s\n", dir)
	}()
	_, _ = fmt.Fprintf(out, "seed %d, %d nats-server, %s of faults, up to %d jobs; building\n", cfg.Seed, cfg.Nodes, cfg.Duration, cfg.Jobs)
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		return false, fmt.Errorf("make directory: %w", err)
	}
	built, err := build(ctx, cfg, bin)
	if err != nil {
		return false, err
	}
	e := &experiment{cfg: cfg, out: out, book: claims.NewBook(), begun: time.Now()}
	if e.plant, err = newPlant(ctx, cfg, dir, built, e.book); err != nil {
		return false, fmt.Errorf("%w; %s", err, strings.Join(e.book.Faults(), "; "))
	}
	defer e.plant.stop(context.WithoutCancel(ctx))
	if err := e.run(ctx); err != nil {
		return false, err
	}
	e.report()
	_ = os.RemoveAll(bin)
	return len(e.book.Faults()) == 0, nil
}

// experiment is one run.
type experiment struct {
	cfg     Config
	out     io.Writer
	book    *claims.Book
	plant   *plant
	load    *load
	trouble *trouble
	audit   *audit
	begun   time.Time
	// ending is how long it took until all jobs had ended, after the healing.
	ending time.Duration
}

func (e *experiment) run(ctx context.Context) (err error) {
	life, end := context.WithCancel(ctx)
	defer end()
	if e.load, err = newLoad(life, e.cfg, e.plant.urls(), e.book); err != nil {
		return err
	}
	if e.audit, err = startAudit(ctx, e.plant); err != nil {
		return err
	}
	defer e.audit.end()
	e.trouble = &trouble{plant: e.plant, killed: e.load.killed, storming: make(chan struct{}, 1), counts: make(map[string]int)}
	e.say("everything serves; faults and clients begin")
	bad, over := context.WithTimeout(ctx, e.cfg.Duration)
	defer over()
	using := make(chan struct{})
	go func() { e.load.run(bad); close(using) }()
	e.trouble.run(bad)
	<-using
	e.say("faults are over; healing")
	healed := time.Now()
	if err := e.plant.heal(ctx); err != nil {
		e.book.Fault("not everything could be healed: %v", err)
	}
	if !e.load.wait(ctx, endTimeout) {
		for _, j := range e.book.Jobs() {
			if !j.Deleting && j.End == nil {
				e.book.Fault("job not ended %s after everything is good again: %s (%s)", endTimeout, j.ID, j.Name)
			}
		}
	}
	e.ending = time.Since(healed)
	end()
	e.load.followers.Wait()
	e.say("comparing what clients were told with what is stored")
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	e.plant.verify(ctx, e.load)
	return nil
}

func (e *experiment) say(what string) {
	_, _ = fmt.Fprintf(e.out, "%6.1fs  %s\n", time.Since(e.begun).Seconds(), what)
}
