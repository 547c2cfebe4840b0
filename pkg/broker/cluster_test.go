package broker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestClusterReplicatesStreams(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	b := c.Open()
	for _, name := range []string{
		broker.StreamJobs, broker.StreamDead, broker.ProgressStream, broker.ResultsStream, broker.ControlStream,
		broker.UsersStream, broker.ResetsStream, broker.FeedbackStream, broker.ImagesStream, broker.WebhooksStream, broker.BatchesStream,
		broker.CacheStream,
	} {
		stream, err := b.JetStream().Stream(t.Context(), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if info := stream.CachedInfo(); info.Config.Replicas != 3 || info.Cluster == nil || len(info.Cluster.Replicas) != 2 {
			t.Errorf("%s: %d replicas, %+v", name, info.Config.Replicas, info.Cluster)
		}
		if leader := c.Leader(name); leader < 0 || leader > 2 {
			t.Errorf("%s is led by %d", name, leader)
		}
	}
	// A later process declares nothing.
	again := c.Open(1)
	if err := again.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOpenBeforeTheClusterHasFormed connects to a node without peers, which never answers the requests it receives then.
func TestOpenBeforeTheClusterHasFormed(t *testing.T) {
	t.Parallel()
	c := brokertest.StartCluster(t)
	c.Stop(1)
	c.Stop(2)
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	done := opening(ctx, t, c.Config(0), slog.DiscardHandler)
	c.AwaitClient(0)
	c.Restart(1, 2)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

func TestUnavailable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("x"), false},
		{context.Canceled, false},
		{jetstream.ErrStreamNotFound, false},
		{broker.ErrUnsuitable, false},
		{&jetstream.APIError{Code: 400, ErrorCode: 10071}, false},
		{context.DeadlineExceeded, true},
		{nats.ErrTimeout, true},
		{nats.ErrNoResponders, true},
		{nats.ErrDisconnected, true},
		{&jetstream.APIError{Code: 503, ErrorCode: 10008}, true},
		{&jetstream.APIError{Code: 400, ErrorCode: 10005}, true},
	} {
		if got := broker.Unavailable(fmt.Errorf("request: %w", c.err)); got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}
