//go:build linux

package measure

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// measureIdle measures a process that has nothing to do. The ceiling of its CPU time is 0.
func measureIdle(ctx context.Context, b *bench) error {
	a, err := b.startAPI(ctx, syncAlways, b.path("data"))
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	p, err := b.startCeiling(ctx)
	if err != nil {
		return err
	}
	defer p.kill()
	if !lifecycle.Sleep(ctx, b.cfg.duration(settleTime, 200*time.Millisecond)) {
		return context.Cause(ctx)
	}
	share, err := b.cpuShare(ctx, 10*time.Second, a.process)
	if err != nil {
		return err
	}
	resident, err := a.resident()
	if err != nil {
		return err
	}
	bare, err := p.resident()
	if err != nil {
		return err
	}
	b.add("CPU", share*100, "% of a core")
	b.add("memory", resident/mib, "MiB", Ceiling{Name: "Gin, idle", Value: bare / mib})
	if err := a.stop(); err != nil {
		return err
	}
	return p.stop()
}
