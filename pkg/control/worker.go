package control

import (
	"context"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Worker is the registration of a worker process.
type Worker struct {
	V         int      `json:"v"`
	ID        string   `json:"id"`
	Version   string   `json:"version"`
	StartedAt job.Time `json:"started_at"`
	// Mode is "simulator" or "live"; mixed modes in one installation are a fault.
	Mode string `json:"mode"`
	// Slots is how many jobs of each kind the process runs at once.
	Slots map[job.Kind]int `json:"slots"`
	// RunSeconds is the mean run time of recent jobs by kind; kinds without jobs are absent.
	RunSeconds map[job.Kind]float64 `json:"run_seconds,omitempty"`
	// Providers are the circuit breakers of the providers among which the process chooses; empty if it has none.
	Providers []string `json:"providers,omitempty"`
	// Failing names the upstreams that have recently returned only errors to this worker.
	Failing []string `json:"failing,omitempty"`
}

// Providers returns the circuit breakers of the providers of all workers, each once, in the order of the workers.
func Providers(workers []Worker) []string {
	var names []string
	for _, w := range workers {
		for _, name := range w.Providers {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

const (
	// HeartbeatInterval is how often a worker registers itself.
	HeartbeatInterval = 10 * time.Second
	// registrationTTL is how long a registration is kept after the last heartbeat.
	registrationTTL = 30 * time.Second
)

func workerTTL(*Worker) time.Duration { return registrationTTL }

func (w *Worker) check() error { return kv.CheckVersion(w.V) }

// RegisterWorker registers a worker for 30 seconds. It costs one acknowledged publish.
func (s *Store) RegisterWorker(ctx context.Context, w Worker) error {
	w.V = job.Version
	_, err := s.workers.Put(ctx, w.ID, w)
	return err
}

// DeregisterWorker removes a worker's registration. It costs one request.
func (s *Store) DeregisterWorker(ctx context.Context, id string) error {
	return s.workers.Purge(ctx, id)
}

// Workers returns the workers registered within the last 30 seconds, without those of a newer version. It costs one request.
func (s *Store) Workers(ctx context.Context) ([]Worker, error) {
	entries, err := s.workers.List(ctx, "*")
	if err != nil {
		return nil, err
	}
	var workers []Worker
	for _, e := range entries {
		if e.Err == nil {
			workers = append(workers, e.Value)
		}
	}
	return workers, nil
}
