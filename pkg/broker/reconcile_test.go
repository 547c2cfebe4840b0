package broker_test

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	logLost      = "NATS came back without stored streams: jobs accepted before and results in them are gone; the streams are declared again, empty"
	logRecreated = "missing streams and consumers were declared again"
)

func everything(t *testing.T, b *broker.Broker) {
	t.Helper()
	for _, name := range []string{
		broker.StreamJobs, broker.StreamDead, broker.ProgressStream, broker.ResultsStream, broker.ControlStream,
		broker.UsersStream, broker.ResetsStream,
		broker.StreamUsage, broker.StreamUsageMinute, broker.FeedbackStream, broker.ImagesStream, broker.WebhooksStream, broker.BatchesStream,
		broker.CacheStream,
	} {
		streamConfig(t, b, name)
	}
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			if _, err := b.JetStream().Consumer(t.Context(), broker.StreamJobs, broker.ConsumerName(kind, lane)); err != nil {
				t.Errorf("%s/%s: %v", kind, lane, err)
			}
		}
	}
}

// TestNATSComesBackEmpty wipes the disk of NATS while an API and a worker are connected.
func TestNATSComesBackEmpty(t *testing.T) {
	t.Parallel()
	port := brokertest.FreePort(t)
	on := func(dir string) func(*server.Options) {
		return func(o *server.Options) { o.Port, o.StoreDir = port, dir }
	}
	srv := brokertest.StartServer(t, on(t.TempDir()))
	ownerLog, followerLog := newLines(), newLines()
	owner, err := brokertest.Open(t, broker.Config{URL: env.Secret(urlOf(port)), MaxQueuedJobs: 10}, ownerLog)
	if err != nil {
		t.Fatal(err)
	}
	follower, err := brokertest.Open(t, broker.Config{URL: env.Secret(urlOf(port)), Follower: true, MaxQueuedJobs: 99}, followerLog)
	if err != nil {
		t.Fatal(err)
	}
	subject := broker.JobSubject(job.KindImage, job.LaneGuest, "o", "j")
	before, err := owner.JetStream().Publish(t.Context(), subject, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if loss, err := owner.LastDataLoss(t.Context()); loss != nil || err != nil {
		t.Errorf("a loss is reported before there is one: %+v, %v", loss, err)
	}

	brokertest.StopServer(srv)
	ownerLog.await(t, "NATS connection lost")
	followerLog.await(t, "NATS connection lost")
	brokertest.StartServer(t, on(t.TempDir()))
	ownerLog.await(t, logLost)
	followerLog.await(t, logLost)
	for _, b := range []*broker.Broker{owner, follower} {
		awaitCheck(t, b)
		everything(t, b)
		loss, err := b.LastDataLoss(t.Context())
		if err != nil || loss == nil || !slices.Contains(loss.Streams, broker.StreamJobs) || loss.At.IsZero() {
			t.Errorf("the loss is not reported: %+v, %v", loss, err)
		}
	}
	if got := streamConfig(t, owner, broker.StreamJobs).MaxMsgs; got != 10 {
		t.Errorf("the follower's settings apply: %d jobs", got)
	}
	after, err := owner.JetStream().Publish(t.Context(), subject, []byte("y"))
	if err != nil {
		t.Fatalf("nothing can be stored: %v", err)
	}
	// A worker may still acknowledge a job of the old stream.
	if after.Sequence <= before.Sequence {
		t.Errorf("sequence %d again, after %d", after.Sequence, before.Sequence)
	}
	if again := ownerLog.count(logLost) + followerLog.count(logLost); again > 0 {
		t.Errorf("the loss is logged %d times more", again)
	}
}

// TestMemoryStreamsAreRecreated restarts a NATS without replicas, which loses the streams in memory. That is not reported as a
// loss.
func TestMemoryStreamsAreRecreated(t *testing.T) {
	t.Parallel()
	port, dir, log := brokertest.FreePort(t), t.TempDir(), newLines()
	here := func(o *server.Options) { o.Port, o.StoreDir = port, dir }
	srv := brokertest.StartServer(t, here)
	b, err := brokertest.Open(t, broker.Config{URL: env.Secret(urlOf(port))}, log)
	if err != nil {
		t.Fatal(err)
	}
	brokertest.StopServer(srv)
	log.await(t, "NATS connection lost")
	brokertest.StartServer(t, here)
	log.await(t, logRecreated)
	awaitCheck(t, b)
	everything(t, b)
	if loss, err := b.LastDataLoss(t.Context()); loss != nil || err != nil {
		t.Errorf("a restart is reported as a loss: %+v, %v", loss, err)
	}
}

// TestDeletedStreamsAreRecreated deletes streams and a consumer while a broker is connected.
func TestDeletedStreamsAreRecreated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remove  func(jetstream.JetStream) error
		message string
	}{
		"consumer": {func(js jetstream.JetStream) error {
			return js.DeleteConsumer(t.Context(), broker.StreamJobs, broker.ConsumerName(job.KindAudio, job.LaneGuest))
		}, logRecreated},
		"minutes": {func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), broker.StreamUsageMinute) }, logRecreated},
		"days":    {func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), broker.StreamUsage) }, logRecreated},
		"jobs":    {func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), broker.StreamJobs) }, logLost},
		"results": {func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), broker.ResultsStream) }, logLost},
		"users":   {func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), broker.UsersStream) }, logLost},
		"control": {func(js jetstream.JetStream) error { return js.DeleteStream(t.Context(), broker.ControlStream) }, logLost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv, log := brokertest.StartServer(t), newLines()
			cfg := broker.Config{URL: env.Secret(srv.ClientURL())}
			brokertest.ReconcileInterval(time.Hour)(&cfg)
			b, err := brokertest.Open(t, cfg, log)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.remove(b.JetStream()); err != nil {
				t.Fatal(err)
			}
			b.TriggerReconcile()
			log.await(t, c.message)
			log.hasLevel(t, c.message, map[string]slog.Level{logRecreated: slog.LevelInfo, logLost: slog.LevelError}[c.message])
			awaitCheck(t, b)
			everything(t, b)
		})
	}
}
