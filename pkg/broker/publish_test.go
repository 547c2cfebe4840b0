package broker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestPublishWhoseConnectionIsLost checks that a publish without an answer fails with its connection, and not only at its
// deadline, and that the next one waits for the new connection.
func TestPublishWhoseConnectionIsLost(t *testing.T) {
	t.Parallel()
	near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	cutter := brokertest.NewCutter(t, strings.TrimPrefix(near.ClientURL(), "nats://"))
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret("nats://"+cutter.Addr), true })
	publish := func(id string) error {
		ctx, cancel := context.WithTimeout(t.Context(), hang)
		defer cancel()
		_, err := far.JetStream().Publish(ctx, broker.JobSubject(job.KindImage, job.LaneGuest, "owner", id), []byte("{}"))
		return err
	}
	cutter.Armed.Store(true)
	if err := publish("j1"); !errors.Is(err, nats.ErrDisconnected) || !broker.Unavailable(err) {
		t.Errorf("got %v", err)
	}
	if err := publish("j2"); err != nil {
		t.Errorf("after the connection was lost: %v", err)
	}
}
