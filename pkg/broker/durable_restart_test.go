package broker_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestRestartedServerMakesNothingDurable restarts the process that runs NATS between the acknowledgement of a worker's write and the
// request to make it durable. If the power had failed meanwhile, the write would be lost, and the new server has nothing to sync.
func TestRestartedServerMakesNothingDurable(t *testing.T) {
	t.Parallel()
	for name, sync := range map[string]string{"as before": "always", "without group commit": "1m"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			worker := brokertest.StartRemote(t)
			before := worker.GroupCommitServer()
			if before == "" {
				t.Fatal("the server has no ID")
			}
			publish := func(id string) *broker.Sent {
				t.Helper()
				sent, err := worker.Send(&nats.Msg{Subject: broker.RecordSubject("u1", id), Data: []byte("x")})
				if err != nil {
					t.Fatal(err)
				}
				<-sent.Done()
				return sent
			}
			sent := publish("j1")

			worker.Restart(func(c *broker.Config) { c.Sync = sync })
			after := worker.GroupCommitServer()
			if after == before || (after == "") != (sync != "always") {
				t.Fatalf("the server is %q, and was %q", after, before)
			}
			if _, err := sent.Stored(t.Context()); !errors.Is(err, nats.ErrDisconnected) {
				t.Errorf("a write before the restart: %v", err)
			}
			if _, err := publish("j2").Stored(t.Context()); err != nil {
				t.Errorf("a write after the restart: %v", err)
			}
			if err := worker.Durable(t.Context(), broker.ResultsStream); err != nil {
				t.Errorf("after the restart: %v", err)
			}

			// A request that has waited for the connection reaches the new server with the ID of the old one.
			for since, restarted := range map[string]bool{before: true, worker.Conn().ConnectedServerId(): false, "": false} {
				reply, err := worker.Conn().Request("durable."+broker.ResultsStream, []byte(since), hang)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(reply.Data), "restarted") != restarted {
					t.Errorf("a request since %q: %q", since, reply.Data)
				}
			}
		})
	}
}

// TestRestartBetweenParts restarts the process that runs NATS after another process has stored parts there, and before it stores what
// refers to them.
func TestRestartBetweenParts(t *testing.T) {
	t.Parallel()
	remote := brokertest.StartRemote(t)
	for name, write := range map[string]func(context.Context, string, func(context.Context) error) error{
		"first": remote.WriteFirst, "durably": remote.WriteDurably,
	} {
		for _, restarted := range []bool{false, true} {
			err := write(t.Context(), broker.ResultsStream, func(ctx context.Context) error {
				_, err := remote.Buffered().Publish(ctx, broker.RecordSubject("u1", name), []byte("x"))
				if restarted {
					remote.Restart()
				}
				return err
			})
			if errors.Is(err, nats.ErrDisconnected) != restarted || (err != nil) != restarted {
				t.Errorf("%s, restarted %t: %v", name, restarted, err)
			}
		}
		if err := write(t.Context(), broker.ResultsStream, func(context.Context) error { return io.EOF }); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
