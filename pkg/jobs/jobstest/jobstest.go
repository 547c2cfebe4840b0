// Package jobstest opens the service of jobs in tests, with its queue and its store on a real NATS.
package jobstest

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Rig is the service of jobs and what it works on.
type Rig struct {
	Broker *broker.Broker
	Queue  *queue.Queue
	Store  *store.Store
	Jobs   *jobs.Service
}

// Start returns a rig on its own embedded NATS, which is closed when the test ends. Options change the broker's configuration.
func Start(t testing.TB, options ...func(*broker.Config)) *Rig {
	t.Helper()
	return On(t, brokertest.Start(t, options...))
}

// On returns a rig on an open broker.
func On(t testing.TB, b *broker.Broker, options ...jobs.Option) *Rig {
	t.Helper()
	q, err := queue.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return &Rig{Broker: b, Queue: q, Store: s, Jobs: jobs.New(b, q, s, options...)}
}
