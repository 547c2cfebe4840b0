package broker_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func streamConfig(t *testing.T, b *broker.Broker, name string) jetstream.StreamConfig {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatalf("stream %s: %v", name, err)
	}
	return stream.CachedInfo().Config
}

// TestStreams checks the configuration of the streams on which the guarantees depend.
func TestStreams(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, func(c *broker.Config) {
		c.MaxQueuedJobs, c.ResultTTL = 77, 48*time.Hour
	})
	type facts struct {
		subject     string
		storage     jetstream.StorageType
		retention   jetstream.RetentionPolicy
		discard     jetstream.DiscardPolicy
		maxMsgs     int64
		perSubject  int64
		maxAge      time.Duration
		republish   jetstream.RePublish
		messageTTLs bool
		counter     bool
		atomic      bool
	}
	for name, want := range map[string]facts{
		broker.StreamJobs: {
			subject: "jobs.*.*.*.*", storage: jetstream.FileStorage, retention: jetstream.WorkQueuePolicy,
			discard: jetstream.DiscardNew, maxMsgs: 77, perSubject: -1,
			republish: jetstream.RePublish{Source: "jobs.*.*.*.*", Destination: "events.queued.{{wildcard(3)}}.{{wildcard(4)}}"},
		},
		broker.StreamDead: {
			subject: "dead.*.*.*", storage: jetstream.FileStorage, maxMsgs: -1, perSubject: 1, maxAge: 14 * 24 * time.Hour,
		},
		broker.ProgressStream: {
			subject: "$KV.PROGRESS.>", storage: jetstream.MemoryStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			maxAge:    48 * time.Hour,
			republish: jetstream.RePublish{Source: "$KV.PROGRESS.>", Destination: "events.progress.>"},
		},
		broker.ResultsStream: {
			subject: "$KV.RESULTS.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			maxAge: 48 * time.Hour,
			republish: jetstream.RePublish{
				Source: "$KV.RESULTS.*.*", Destination: "events.result.{{wildcard(1)}}.{{wildcard(2)}}",
			},
		},
		broker.ControlStream: {
			subject: "$KV.CONTROL.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			messageTTLs: true,
		},
		broker.UsersStream: {
			subject: "$KV.USERS.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			messageTTLs: true,
		},
		broker.ResetsStream: {
			subject: "$KV.RESET_TOKENS.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			messageTTLs: true,
		},
		broker.StreamUsage: {
			subject: "usage.day.*.* usage.refund.*.*", storage: jetstream.FileStorage, maxMsgs: -1, perSubject: 1, maxAge: 48 * time.Hour,
			counter: true, atomic: true,
		},
		broker.StreamSpend: {
			subject: "spend.>", storage: jetstream.FileStorage, maxMsgs: -1, perSubject: 1, maxAge: 100 * 24 * time.Hour, counter: true, atomic: true,
		},
		broker.StreamUsageMinute: {
			subject: "usage.minute.*.*", storage: jetstream.MemoryStorage, maxMsgs: -1, perSubject: 1, maxAge: 5 * time.Minute, counter: true,
		},
		broker.FeedbackStream: {
			subject: "$KV.FEEDBACK.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			messageTTLs: true,
		},
		broker.ImagesStream: {
			subject: "$KV.IMAGES_CACHE.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			maxAge: 24 * time.Hour, messageTTLs: true,
		},
		broker.WebhooksStream: {
			subject: "$KV.WEBHOOKS.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			maxAge: 7 * 24 * time.Hour,
		},
		broker.BatchesStream: {
			subject: "$KV.BATCHES.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1,
			maxAge: 73 * time.Hour,
		},
		broker.CacheStream: {
			subject: "$KV.CACHE.>", storage: jetstream.FileStorage, discard: jetstream.DiscardNew, maxMsgs: -1, perSubject: 1, maxAge: 48 * time.Hour,
		},
	} {
		c := streamConfig(t, b, name)
		got := facts{
			storage: c.Storage, retention: c.Retention, discard: c.Discard, maxMsgs: c.MaxMsgs,
			perSubject: c.MaxMsgsPerSubject, maxAge: c.MaxAge, messageTTLs: c.AllowMsgTTL,
			counter: c.AllowMsgCounter, atomic: c.AllowAtomicPublish, subject: strings.Join(c.Subjects, " "),
		}
		if c.RePublish != nil {
			got.republish = *c.RePublish
		}
		if got != want {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
		if !c.AllowDirect || c.Replicas != 1 || c.MaxBytes != -1 {
			t.Errorf("%s: direct %t, %d replicas, %d bytes", name, c.AllowDirect, c.Replicas, c.MaxBytes)
		}
		// At a start the server loads the messages of the window, which are many in these.
		isLarge := name == broker.StreamJobs || name == broker.ResultsStream
		if c.Duplicates > time.Second == isLarge {
			t.Errorf("%s recognizes duplicates for %s", name, c.Duplicates)
		}
	}
}

func TestConsumers(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			consumer, err := b.JetStream().Consumer(t.Context(), broker.StreamJobs, broker.ConsumerName(kind, lane))
			if err != nil {
				t.Errorf("%s/%s: %v", kind, lane, err)
				continue
			}
			c := consumer.CachedInfo().Config
			if c.Durable == "" || c.FilterSubject != broker.LaneSubject(kind, lane) || c.AckPolicy != jetstream.AckExplicitPolicy ||
				c.DeliverPolicy != jetstream.DeliverAllPolicy || c.AckWait != 15*time.Second || c.MaxAckPending != -1 ||
				c.MaxDeliver != -1 || c.InactiveThreshold != 0 || len(c.BackOff) != 0 {
				t.Errorf("%s/%s: %+v", kind, lane, c)
			}
		}
	}
}

func TestUnlimitedJobs(t *testing.T) {
	t.Parallel()
	if got := streamConfig(t, brokertest.Start(t), broker.StreamJobs).MaxMsgs; got != -1 {
		t.Errorf("MAX_QUEUED_JOBS 0 gives %d", got)
	}
}

func TestDeclareIsIdempotentAndUpdates(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	cfg := broker.Config{URL: env.Secret(srv.ClientURL()), MaxQueuedJobs: 10}
	first := brokertest.MustOpen(t, cfg)
	subject := broker.JobSubject(job.KindImage, job.LaneMember, "o", "j")
	if _, err := first.JetStream().Publish(t.Context(), subject, []byte("x")); err != nil {
		t.Fatal(err)
	}
	brokertest.MustOpen(t, cfg)
	cfg.MaxQueuedJobs, cfg.ResultTTL = 20, 30*time.Hour
	brokertest.AckWait(7 * time.Second)(&cfg)
	second := brokertest.MustOpen(t, cfg)
	if got := streamConfig(t, second, broker.StreamJobs).MaxMsgs; got != 20 {
		t.Errorf("MAX_QUEUED_JOBS is still %d", got)
	}
	for _, name := range []string{broker.ResultsStream, broker.ProgressStream} {
		if got := streamConfig(t, second, name).MaxAge; got != 30*time.Hour {
			t.Errorf("RESULT_TTL of %s is still %s", name, got)
		}
	}
	if got := ackWait(t, second); got != 7*time.Second {
		t.Errorf("AckWait is still %s", got)
	}
	if _, err := broker.LeaderLast(t.Context(), second.JetStream(), broker.StreamJobs, subject); err != nil {
		t.Errorf("the job that existed before: %v", err)
	}
}

func ackWait(t *testing.T, b *broker.Broker) time.Duration {
	t.Helper()
	consumer, err := b.JetStream().Consumer(t.Context(), broker.StreamJobs, broker.ConsumerName(job.KindAudio, job.LaneGuest))
	if err != nil {
		t.Fatal(err)
	}
	return consumer.CachedInfo().Config.AckWait
}

func TestFollowerOnlyCreates(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	owner := brokertest.MustOpen(t, broker.Config{URL: env.Secret(srv.ClientURL()), MaxQueuedJobs: 10})
	if err := owner.JetStream().DeleteKeyValue(t.Context(), broker.BucketProgress); err != nil {
		t.Fatal(err)
	}
	missing := broker.ConsumerName(job.KindImage, job.LaneGuest)
	if err := owner.JetStream().DeleteConsumer(t.Context(), broker.StreamJobs, missing); err != nil {
		t.Fatal(err)
	}
	cfg := broker.Config{URL: env.Secret(srv.ClientURL()), Follower: true, MaxQueuedJobs: 99, ResultTTL: 99 * time.Hour}
	brokertest.AckWait(time.Second)(&cfg)
	follower := brokertest.MustOpen(t, cfg)
	if got := streamConfig(t, follower, broker.StreamJobs).MaxMsgs; got != 10 {
		t.Errorf("the follower set MAX_QUEUED_JOBS to %d", got)
	}
	if got := streamConfig(t, follower, broker.ResultsStream).MaxAge; got != 24*time.Hour {
		t.Errorf("the follower set RESULT_TTL to %s", got)
	}
	if got := ackWait(t, follower); got != broker.DefaultAckWait {
		t.Errorf("the follower set AckWait to %s", got)
	}
	streamConfig(t, follower, broker.ProgressStream)
	if _, err := follower.JetStream().Consumer(t.Context(), broker.StreamJobs, missing); err != nil {
		t.Errorf("the missing consumer: %v", err)
	}
}

// TestManyProcessesDeclareAtOnce starts several processes concurrently on an empty NATS.
func TestManyProcessesDeclareAtOnce(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t)
	var wg sync.WaitGroup
	errs := make(chan error, 12)
	for i := range cap(errs) {
		wg.Go(func() {
			errs <- <-opening(t.Context(), t, broker.Config{URL: env.Secret(srv.ClientURL()), Follower: i%2 == 1}, newLines())
		})
	}
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		t.Error(err)
	}
}
