package app_test

import (
	"context"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	worker "github.com/text2image-audio/text2image-audio/worker/app"
)

// cluster is a NATS server and a worker, for tests with several API processes.
type cluster struct {
	nats   *broker.Broker
	worker *worker.Worker
}

// startCluster runs a NATS server and a worker until the test ends.
func startCluster(t *testing.T, variables ...string) *cluster {
	t.Helper()
	s := &cluster{nats: brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })}
	s.worker = worker.New(apptest.Config(t, t.TempDir(), variables...).Worker, s.nats, telemetry.NewMetrics(), discard())
	if err := s.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
		defer cancel()
		if err := s.worker.Stop(ctx); err != nil {
			t.Errorf("stop worker: %v", err)
		}
	})
	return s
}

func (s *cluster) simulator() *simulator.Simulator { return s.worker.Simulator() }

// address returns the host and port of NATS.
func (s *cluster) address() string { return strings.TrimPrefix(s.nats.ClientURL(), "nats://") }

// api returns the settings of an API process that connects to NATS at address. They turn off the quotas of guests, which are
// on by default without a local simulator.
func (s *cluster) api(t *testing.T, address string, variables ...string) app.Config {
	t.Helper()
	return apptest.Config(t, t.TempDir(), append([]string{
		"NATS_URL=nats://" + address, "JWT_SECRET=the same secret for every process", "QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0",
	}, variables...)...)
}
