//go:build linux

package measure

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	syncAlways   = "always"
	syncInterval = "1s"
	// slots is how many jobs run at once, and connections how many clients send requests at once.
	slots       = 64
	connections = 64
	// unlimited is a quota that no benchmark exhausts, but that is counted.
	unlimited = 100_000_000
)

// api is the program under test: one process with the embedded NATS and worker, or with workers of their own.
type api struct {
	*process
	metrics string
	client  *client
	workers []*worker
}

// startAPI starts the program with data in dir, as a user would run it but for the limits. Settings of members, if not empty,
// keep quotas and the limit of active jobs on.
func (b *bench) startAPI(ctx context.Context, sync, dir string, settings ...string) (*api, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	metrics, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	env := slices.Concat([]string{
		"LISTEN_ADDR=" + addr, "METRICS_ADDR=" + metrics, "DATA_DIR=" + dir, "NATS_SYNC=" + sync,
		"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "MAX_ACTIVE_JOBS_GUEST=0", "MAX_STREAMS=0", "MAX_STREAMS_PER_CALLER=0",
	}, b.workerSettings(), settings)
	p, err := startProcess(ctx, addr, b.path("api.log"), env, b.program)
	if err != nil {
		return nil, fmt.Errorf("start api: %w", err)
	}
	return &api{process: p, metrics: "http://" + metrics + "/metrics", client: newClient(p.url())}, nil
}

// workerSettings are those of a process that works on jobs.
func (b *bench) workerSettings() []string {
	return []string{
		"POLLINATIONS_IMAGE_API_BASE=" + b.upstream.url, "POLLINATIONS_IMAGE_API_STYLE=gen", "POLLINATIONS_API_TOKEN=sk_bench",
		"POLLINATIONS_TEXT_API_BASE=" + b.upstream.url, "POLLINATIONS_TEXT_API_STYLE=gen",
		"DEEPSEEK_API_URL=" + b.upstream.url, "DEEPSEEK_API_KEY=bench", "SIMULATOR=off",
		"WORKER_SLOTS_IMAGE=" + strconv.Itoa(slots), "WORKER_SOFT_STOP=100ms", "METRICS_ENABLED=on",
	}
}

// stop stops the program. Its connections are closed first, since it serves those that are open for another second.
func (a *api) stop() error {
	a.client.close()
	return a.process.stop()
}

// metered are the settings under which members are counted but not refused.
func metered() []string {
	limit := strconv.Itoa(unlimited)
	return []string{
		"SIGNUPS_PER_HOUR=0", "QUOTA_MEMBER_PER_MINUTE=" + limit, "QUOTA_MEMBER_PER_DAY=" + limit,
		"QUOTA_ADDRESS_PER_DAY=" + limit, "MAX_ACTIVE_JOBS_MEMBER=" + limit,
	}
}

// metric returns the sum of all series of a metric in all processes.
func (a *api) metric(ctx context.Context, name string) (float64, error) {
	total, err := metric(ctx, a.client.http, a.metrics, name)
	for _, w := range a.workers {
		if err != nil {
			return 0, err
		}
		var n float64
		n, err = metric(ctx, a.client.http, w.metrics(), name)
		total += n
	}
	return total, err
}

func metric(ctx context.Context, c *http.Client, url, name string) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read metrics: status %d", res.StatusCode)
	}
	return sum(res.Body, name)
}

// sum adds up the series of a metric in the text format.
func sum(exposition io.Reader, name string) (float64, error) {
	total := 0.0
	lines := bufio.NewScanner(exposition)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			return 0, fmt.Errorf("parse metric %s: %w", name, err)
		}
		total += v
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	return total, nil
}
