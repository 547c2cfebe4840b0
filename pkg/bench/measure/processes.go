//go:build linux

package measure

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// natsServer is the nats-server at the version in go.mod.
const natsServer = "github.com/nats-io/nats-server/v2"

// separate measures bursts of an API, workers and nats-servers that are processes of their own on this machine.
type separate struct{ workers, nodes int }

func (s separate) measure(ctx context.Context, b *bench) error {
	b.upstream.size.Store(small)
	urls, stop, err := b.startNodes(ctx, s.nodes)
	if err != nil {
		return err
	}
	defer stop()
	shared := []string{"NATS_URL=" + urls, "NATS_REPLICAS=" + strconv.Itoa(s.nodes), "JWT_SECRET=used-only-by-the-benchmark"}
	a, err := b.startAPI(ctx, "", b.path("data"), shared...)
	if err != nil {
		return err
	}
	defer a.kill()
	defer a.client.close()
	program, err := b.build(ctx, "./worker")
	if err != nil {
		return err
	}
	for range s.workers {
		w, err := b.startWorker(ctx, program, shared)
		if err != nil {
			return err
		}
		defer w.kill()
		a.workers = append(a.workers, w)
	}
	if _, err := a.burst(ctx, b.cfg.count(warmUpJobs, 8), nil); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	r, err := a.burst(ctx, b.cfg.count(2000, 16), nil)
	if err != nil {
		return err
	}
	if err := a.client.verify(ctx, r.jobs, small); err != nil {
		return err
	}
	for _, w := range a.workers {
		if err := w.stop(); err != nil {
			return err
		}
	}
	if err := a.stop(); err != nil {
		return err
	}
	n := float64(len(r.jobs))
	embedded := func(figure string) Ceiling {
		return Ceiling{Name: "one process", Value: b.figure("burst-1k-always", figure)}
	}
	b.add(figureAccepted, n/r.accepting.Seconds(), "jobs/s", embedded(figureAccepted))
	b.add(figureJobs, n/r.all.Seconds(), "jobs/s", embedded(figureJobs))
	return nil
}

// worker is a worker process. Its address serves its metrics.
type worker struct{ *process }

func (w *worker) metrics() string { return w.url() + "/metrics" }

func (b *bench) startWorker(ctx context.Context, program string, settings []string) (*worker, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	env := slices.Concat([]string{"METRICS_ADDR=" + addr}, b.workerSettings(), settings)
	p, err := startProcess(ctx, addr, b.path("worker.log"), env, program)
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return &worker{p}, nil
}

// startNodes starts nats-servers, as one cluster if there are several, which sync every write. It returns their URLs and a function
// that kills them. The programs wait until they are ready.
func (b *bench) startNodes(ctx context.Context, count int) (urls string, stop func(), err error) {
	program, err := b.build(ctx, natsServer)
	if err != nil {
		return "", nil, err
	}
	var nodes []*process
	stop = func() {
		for _, n := range nodes {
			n.kill()
		}
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	clients, err := freePorts(ctx, count)
	if err != nil {
		return "", nil, err
	}
	routes, err := freePorts(ctx, count)
	if err != nil {
		return "", nil, err
	}
	for i, addr := range clients {
		name := "nats-" + strconv.Itoa(i+1)
		config := fmt.Sprintf("server_name: %s\nlisten: %q\njetstream { store_dir: %q, sync_interval: always }\n", name, addr, b.path(name))
		if count > 1 {
			config += fmt.Sprintf("cluster { name: bench, listen: %q, routes: [nats-route://%s] }\n", routes[i], strings.Join(routes, ", nats-route://"))
		}
		path := b.path(name + ".conf")
		if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
			return "", nil, fmt.Errorf("configure nats-server: %w", err)
		}
		node, err := launch(ctx, addr, b.path(name+".log"), nil, program, "-c", path)
		if err != nil {
			return "", nil, err
		}
		nodes = append(nodes, node)
	}
	return "nats://" + strings.Join(clients, ",nats://"), stop, nil
}
