//go:build linux

package measure

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	allStreams = 10_000
	fanReaders = 1000
	fanRounds  = 3
	// leastStreams occupy more memory than a process that has just started returns to the system meanwhile: up to 8 MiB.
	leastStreams = 2000
	leastReaders = 200
	streamsPath  = "/events"
	// spareFiles is how many files a process needs besides one for each stream.
	spareFiles = 500
	// settleTime is how long a process is left alone before its memory is read.
	settleTime = 2 * time.Second
)

// measureStreams measures the memory of idle event streams that are spread over waiting jobs.
func measureStreams(ctx context.Context, b *bench, jobs int) error {
	streams, err := b.streamCount(allStreams, leastStreams)
	if err != nil {
		return err
	}
	jobs = min(b.cfg.count(jobs, 4), streams)
	b.upstream.size.Store(small)
	b.upstream.hold()
	waiting, err := b.fillQueue(ctx, b.path("data"), jobs)
	if err != nil {
		return err
	}
	// The process is new, so that its memory has not been used for anything else.
	a, err := b.startAPI(ctx, syncInterval, b.path("data"))
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	paths := make([]string, streams)
	for i := range paths {
		paths[i] = "/api/jobs/" + waiting[i%jobs].id + streamsPath
	}
	m, err := b.openAll(ctx, a.process, paths)
	if err != nil {
		return err
	}
	b.upstream.release()
	if err := m.readers.wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, a.tail())
	}
	if n := m.readers.reopened.Load(); n > 0 {
		b.note("%d streams ended early and were opened again", n)
	}
	if n := m.readers.refused.Load(); n > 0 {
		b.note("%d attempts to open a stream returned 503 and were repeated", n)
	}
	if err := a.client.verify(ctx, waiting, small); err != nil {
		return err
	}
	if err := a.stop(); err != nil {
		return err
	}
	gin, err := b.streamCeiling(ctx, streams)
	if err != nil {
		return err
	}
	figure := func(s string) string { return fmt.Sprintf("%s, %d streams of %d jobs", s, streams, jobs) }
	b.add(figure("memory"), m.bytes/float64(streams)/kib, "KiB/stream", Ceiling{Name: "Gin, idle streams", Value: gin.bytes / float64(streams) / kib})
	b.add(figure("CPU"), m.cpu*100, "% of a core")
	return nil
}

// streamCount returns how many streams to open: the scaled number, at least the given one, or fewer if the limit of open files does
// not allow it. The Go runtime of both processes raises the limit to the highest that the system permits.
func (b *bench) streamCount(full, least int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	want := b.cfg.count(full, least)
	if limit.Max >= uint64(want)+spareFiles { //nolint:gosec // It is not negative.
		return want, nil
	}
	if limit.Max < 2*spareFiles {
		return 0, fmt.Errorf("a process may open %d files only (ulimit -Hn)", limit.Max)
	}
	n := int(limit.Max) - spareFiles //nolint:gosec // It is smaller than want.
	b.note("%d streams instead of %d, since a process may open %d files only (ulimit -Hn)", n, want, limit.Max)
	return n, nil
}

// streaming is what open streams cost a process.
type streaming struct {
	readers *readers
	bytes   float64 // of resident memory, for all streams
	cpu     float64 // share of a core while the streams are open
}

// openAll opens a stream for each path and measures what that costs the process.
func (b *bench) openAll(ctx context.Context, p *process, paths []string) (*streaming, error) {
	if !lifecycle.Sleep(ctx, b.cfg.duration(settleTime, 200*time.Millisecond)) {
		return nil, context.Cause(ctx)
	}
	before, err := p.allocated()
	if err != nil {
		return nil, err
	}
	r, err := openReaders(ctx, p.addr, paths)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, p.tail())
	}
	share, err := b.cpuShare(ctx, 2*settleTime, p)
	if err != nil {
		return nil, err
	}
	after, err := p.allocated()
	if err != nil {
		return nil, err
	}
	return &streaming{readers: r, bytes: after - before, cpu: share}, nil
}

// cpuShare measures for a while which share of a core a process uses.
func (b *bench) cpuShare(ctx context.Context, full time.Duration, p *process) (float64, error) {
	began := time.Now()
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if !lifecycle.Sleep(ctx, b.cfg.duration(full, 500*time.Millisecond)) {
		return 0, context.Cause(ctx)
	}
	after, err := p.cpu()
	if err != nil {
		return 0, err
	}
	return (after - before).Seconds() / time.Since(began).Seconds(), nil
}

// streamCeiling measures streams of a server that has nothing to say.
func (b *bench) streamCeiling(ctx context.Context, streams int) (*streaming, error) {
	p, err := b.startCeiling(ctx)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	paths := make([]string, streams)
	for i := range paths {
		paths[i] = streamsPath
	}
	m, err := b.openAll(ctx, p, paths)
	if err != nil {
		return nil, err
	}
	if _, err := endAll(ctx, p); err != nil {
		return nil, err
	}
	if err := m.readers.wait(); err != nil {
		return nil, err
	}
	return m, p.stop()
}

// endAll ends all streams of the ceiling and returns when.
func endAll(ctx context.Context, p *process) (time.Time, error) {
	c := newClient(p.url())
	defer c.close()
	began := time.Now()
	return began, c.send(ctx, http.MethodPost, "/end", "", nil, http.StatusNoContent, io.Discard)
}

// measureFanOut measures the time from the upstream's response until each of many readers of one job has received its end.
func measureFanOut(ctx context.Context, b *bench) error {
	count, err := b.streamCount(fanReaders, leastReaders)
	if err != nil {
		return err
	}
	b.upstream.size.Store(small)
	a, err := b.startAPI(ctx, syncAlways, b.path("data"))
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	if _, err := a.burst(ctx, b.cfg.count(warmUpJobs, 8), nil); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	var jobs []accepted
	delays, err := fanOut(ctx, a.process, count, func(ctx context.Context, i int) (string, error) {
		b.upstream.hold()
		j, err := a.client.submit(ctx, i, "")
		jobs = append(jobs, j)
		return "/api/jobs/" + j.id + streamsPath, err
	}, func() (time.Time, error) {
		began := time.Now()
		b.upstream.release()
		return began, nil
	})
	if err != nil {
		return err
	}
	if err := a.client.verify(ctx, jobs, small); err != nil {
		return err
	}
	if err := a.stop(); err != nil {
		return err
	}
	p, err := b.startCeiling(ctx)
	if err != nil {
		return err
	}
	defer p.kill()
	floor, err := fanOut(ctx, p, count, func(context.Context, int) (string, error) { return streamsPath, nil },
		func() (time.Time, error) { return endAll(ctx, p) })
	if err != nil {
		return err
	}
	for _, percent := range []float64{50, 99} {
		b.add(fmt.Sprintf("p%g, one end to %d readers", percent, count), milliseconds(percentile(delays, percent)), "ms",
			Ceiling{Name: "Gin, constant events", Value: milliseconds(percentile(floor, percent))})
	}
	return p.stop()
}

// fanOut opens count streams of one job, ends it, and returns how long each took to receive that, for a few jobs.
func fanOut(ctx context.Context, p *process, count int, begin func(ctx context.Context, round int) (path string, err error),
	end func() (time.Time, error),
) ([]time.Duration, error) {
	var delays []time.Duration
	for round := range fanRounds {
		path, err := begin(ctx, round)
		if err != nil {
			return nil, err
		}
		paths := make([]string, count)
		for i := range paths {
			paths[i] = path
		}
		r, err := openReaders(ctx, p.addr, paths)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, p.tail())
		}
		began, err := end()
		if err != nil {
			return nil, err
		}
		if err := r.wait(); err != nil {
			return nil, err
		}
		for _, ended := range r.ended {
			delays = append(delays, ended.Sub(began))
		}
	}
	return delays, nil
}
