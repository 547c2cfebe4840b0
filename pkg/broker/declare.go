package broker

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// deadLetterAge is how long a dead letter is kept.
const deadLetterAge = 14 * 24 * time.Hour

const (
	// usageAge is how long the counter of a day is kept; it must be longer than a day.
	usageAge = 48 * time.Hour
	// usageMinuteAge is the same for the counter of a minute.
	usageMinuteAge = 5 * time.Minute
)

// spendAge is how long the counters of what the jobs of a day have cost are kept, counted from their last change: longer than the 92 days
// that can be read.
const spendAge = 100 * 24 * time.Hour

// ImagesAge is how long a saved image is kept.
const ImagesAge = 24 * time.Hour

// webhooksAge is how long the delivery of a webhook is kept after its latest attempt. It must be longer than the longest delay
// between two attempts.
const webhooksAge = 7 * 24 * time.Hour

// batchSlack is for how long beyond RESULT_TTL a batch is kept: the longest deadline of its jobs, and an hour.
const batchSlack = job.MaxDeadline*time.Second + time.Hour

// maxWaiting is how many pulls of all workers may wait for jobs of one lane. A worker has one, that of 0.1.0 one per free slot.
const maxWaiting = 16384

// controlMarkerTTL is how long the marker of an expired key is kept. A bucket without it allows no TTL of single keys.
const controlMarkerTTL = time.Minute

// declare creates missing streams, buckets and consumers and makes reversible changes to existing ones, by the rules in
// rules.go. It is idempotent and may run in many processes at once. It fails with ErrMigrationNeeded, before anything is
// changed, when a setting would have to change irreversibly. A follower only creates the missing streams that it uses, so
// that a worker with other settings does not change streams of the API.
func declare(ctx context.Context, js jetstream.JetStream, cfg Config, log *slog.Logger) error {
	steps, err := plan(ctx, js, cfg)
	if err != nil {
		return err
	}
	if err := migrationNeeded(steps); err != nil {
		return err
	}
	for _, s := range steps {
		if s.Action != ActionCreate && cfg.Follower {
			continue
		}
		if err := s.apply(ctx); err != nil {
			return fmt.Errorf("%s %s: %w", s.Action, s.Target, err)
		}
		if s.Action == ActionUpdate {
			log.InfoContext(ctx, "configuration in NATS updated", "target", s.Target, "settings", s.Settings)
		}
	}
	return nil
}

func streams(cfg Config) []jetstream.StreamConfig {
	maxJobs := int64(-1)
	if cfg.MaxQueuedJobs > 0 {
		maxJobs = int64(cfg.MaxQueuedJobs)
	}
	return []jetstream.StreamConfig{
		{
			Name:        StreamJobs,
			Description: "Queued and running jobs.",
			Subjects:    []string{"jobs.*.*.*.*"},
			Retention:   jetstream.WorkQueuePolicy,
			Storage:     jetstream.FileStorage,
			Discard:     jetstream.DiscardNew,
			MaxMsgs:     maxJobs,
			Replicas:    cfg.Replicas,
			AllowDirect: true,
			Duplicates:  noDuplicates,
			// A stream that is recreated, because NATS lost it, starts far beyond the old one's end: a worker that still
			// acknowledges an old job must not acknowledge another one with the same sequence.
			FirstSeq: uint64(max(1, time.Now().UnixMilli())),
			RePublish: &jetstream.RePublish{
				Source: "jobs.*.*.*.*", Destination: "events." + EventQueued + ".{{wildcard(3)}}.{{wildcard(4)}}",
			},
		},
		{
			Name:        StreamDead,
			Description: "Failed jobs, for the operator.",
			Subjects:    []string{"dead.*.*.*"},
			Storage:     jetstream.FileStorage,
			MaxAge:      deadLetterAge,
			// One dead letter per job: settling a job again replaces it.
			MaxMsgsPerSubject: 1,
			Replicas:          cfg.Replicas,
			AllowDirect:       true,
		},
		{
			Name:        StreamUsage,
			Description: "Daily quota counters and markers of refunded jobs.",
			Subjects:    []string{UsageSubject(UsageDay, "*", "*"), "usage.refund.*.*"},
			Storage:     jetstream.FileStorage,
			MaxAge:      usageAge,
			// The last message of a counter contains its value.
			MaxMsgsPerSubject: 1,
			Replicas:          cfg.Replicas,
			AllowDirect:       true,
			AllowMsgCounter:   true,
			// A refund is counted and marked in one write.
			AllowAtomicPublish: true,
		},
		{
			Name:        StreamSpend,
			Description: "What the jobs of members have cost, and markers of jobs that are counted.",
			Subjects:    []string{spendSubjects},
			Storage:     jetstream.FileStorage,
			MaxAge:      spendAge,
			// The last message of a counter contains its value.
			MaxMsgsPerSubject: 1,
			Replicas:          cfg.Replicas,
			AllowDirect:       true,
			AllowMsgCounter:   true,
			// A job is counted and marked in one write, as are many that end at the same time.
			AllowAtomicPublish: true,
		},
		{
			Name:        StreamUsageMinute,
			Description: "Quota counters per minute. Its loss does no harm.",
			Subjects:    []string{UsageSubject(UsageMinute, "*", "*")},
			// Writing to disk would be useless: the minute is over before NATS is back.
			Storage:           jetstream.MemoryStorage,
			MaxAge:            usageMinuteAge,
			MaxMsgsPerSubject: 1,
			Replicas:          cfg.Replicas,
			AllowDirect:       true,
			AllowMsgCounter:   true,
		},
	}
}

func buckets(cfg Config) []jetstream.KeyValueConfig {
	return []jetstream.KeyValueConfig{
		{
			Bucket:      BucketProgress,
			Description: "Latest state of jobs that have not ended. Advisory.",
			Storage:     jetstream.MemoryStorage,
			TTL:         cfg.ResultTTL,
			Replicas:    cfg.Replicas,
			RePublish: &jetstream.RePublish{
				Source: "$KV." + BucketProgress + ".>", Destination: "events." + EventProgress + ".>",
			},
		},
		{
			Bucket:      BucketResults,
			Description: "Results of jobs and their media.",
			Storage:     jetstream.FileStorage,
			TTL:         cfg.ResultTTL,
			Replicas:    cfg.Replicas,
			// Records have two tokens, media have more.
			RePublish: &jetstream.RePublish{
				Source:      "$KV." + BucketResults + ".*.*",
				Destination: "events." + EventResult + ".{{wildcard(1)}}.{{wildcard(2)}}",
			},
		},
		{
			Bucket:         BucketControl,
			Description:    "State shared by processes: workers, circuit breakers, pauses.",
			Storage:        jetstream.FileStorage,
			LimitMarkerTTL: controlMarkerTTL,
			Replicas:       cfg.Replicas,
		},
		{
			Bucket:         BucketUsers,
			Description:    "Accounts by the hash of their e-mail address, and links from Google accounts.",
			Storage:        jetstream.FileStorage,
			LimitMarkerTTL: controlMarkerTTL,
			Replicas:       cfg.Replicas,
		},
		{
			Bucket:         BucketResets,
			Description:    "Password resets and used one-time values, each with its own TTL.",
			Storage:        jetstream.FileStorage,
			LimitMarkerTTL: controlMarkerTTL,
			Replicas:       cfg.Replicas,
		},
		{
			Bucket:         BucketFeedback,
			Description:    "Feedback of members. Only claims expire.",
			Storage:        jetstream.FileStorage,
			LimitMarkerTTL: controlMarkerTTL,
			Replicas:       cfg.Replicas,
		},
		{
			Bucket:      BucketImages,
			Description: "Images saved by members. Imported images expire sooner.",
			Storage:     jetstream.FileStorage,
			TTL:         ImagesAge,
			// Imported images have a shorter TTL than the others.
			LimitMarkerTTL: controlMarkerTTL,
			Replicas:       cfg.Replicas,
		},
		{
			Bucket:      BucketWebhooks,
			Description: "Deliveries of events to webhooks, with the events.",
			Storage:     jetstream.FileStorage,
			TTL:         webhooksAge,
			Replicas:    cfg.Replicas,
		},
		{
			Bucket:      BucketBatches,
			Description: "Batches of jobs, with their jobs until these are in the queue.",
			Storage:     jetstream.FileStorage,
			TTL:         cfg.ResultTTL + batchSlack,
			Replicas:    cfg.Replicas,
		},
		{
			Bucket:      BucketCache,
			Description: "The job with the result of each request that may be repeated. Its loss does no harm.",
			Storage:     jetstream.FileStorage,
			TTL:         cfg.ResultTTL,
			Replicas:    cfg.Replicas,
		},
	}
}

// storedStreams returns the streams, including those of buckets, that are stored on disk.
func storedStreams() []string {
	var names []string
	for _, stream := range streams(Config{}) {
		if stream.Storage == jetstream.FileStorage {
			names = append(names, stream.Name)
		}
	}
	for _, bucket := range buckets(Config{}) {
		if bucket.Storage == jetstream.FileStorage {
			names = append(names, bucketStream+bucket.Bucket)
		}
	}
	return names
}

// consumers returns one durable pull consumer for each kind and lane. MaxAckPending and MaxDeliver are unlimited: delayed
// messages count against the first, and a message past the second is never delivered again.
func consumers(cfg Config) []jetstream.ConsumerConfig {
	var list []jetstream.ConsumerConfig
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			list = append(list, jetstream.ConsumerConfig{
				Durable:       ConsumerName(kind, lane),
				FilterSubject: LaneSubject(kind, lane),
				AckPolicy:     jetstream.AckExplicitPolicy,
				DeliverPolicy: jetstream.DeliverAllPolicy,
				AckWait:       cfg.hooks.AckWait,
				MaxAckPending: -1,
				MaxDeliver:    -1,
				MaxWaiting:    maxWaiting,
			})
		}
	}
	return list
}
