package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
)

// Repair is damage to the store that was repaired without loss.
type Repair struct {
	V  int       `json:"v"`
	At time.Time `json:"at"`
	// What describes each damage and its repair in a sentence.
	What []string `json:"what"`
}

const repairVersion = 1

// LastRepair returns the repair of the last hour, or nil. It costs one request.
func (b *Broker) LastRepair(ctx context.Context) (*Repair, error) {
	return lastNotice[Repair](ctx, b.js, RepairSubject())
}

// logRecovery logs what was done to the store before the server was started on it.
func (b *Broker) logRecovery(result *filestore.Result) {
	for _, what := range result.Routine {
		b.log.Info("the store was cleaned up", "what", what)
	}
	for _, what := range result.Repairs {
		b.log.Warn("the store was damaged and is repaired; nothing is lost", "what", what, "aside", result.Aside)
	}
	for _, d := range result.Losses {
		b.log.Error("the store was damaged and the loss is accepted (DATA_LOSS=accept)", "damage", d.String(), "aside", result.Aside)
	}
	if b.cfg.DataLoss == lossAccept && len(result.Losses) == 0 {
		b.log.Warn("DATA_LOSS=accept is set and nothing is lost: unset it, so that the next damage is noticed")
	}
}

// recordRecovery records repairs and losses for the health check.
func (b *Broker) recordRecovery(ctx context.Context, result *filestore.Result) error {
	now := time.Now()
	if streams := result.Streams(); len(streams) > 0 {
		if err := b.recordDataLoss(ctx, DataLoss{At: now, Streams: streams}); err != nil {
			return err
		}
	}
	if len(result.Repairs) == 0 {
		return nil
	}
	return b.recordNotice(ctx, RepairSubject(), Repair{V: repairVersion, At: now, What: result.Repairs})
}

// verifyStore verifies the part of the store that was left for later, and records damage as a loss for the health check.
func (b *Broker) verifyStore(ctx context.Context) {
	left := b.embedded.recovered.Unverified
	if len(left) == 0 {
		return
	}
	damaged := &filestore.Result{}
	err := b.embedded.store.Verify(ctx, left, func(d filestore.Damage) error {
		b.log.ErrorContext(ctx, "the store is damaged: stop the program and restore DATA_DIR from a backup, or start it once with DATA_LOSS=accept",
			"damage", d.String())
		damaged.Losses = append(damaged.Losses, d)
		return b.recordRecovery(ctx, damaged)
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		b.log.ErrorContext(ctx, "the store cannot be verified", "error", err)
	default:
		b.log.InfoContext(ctx, "the store is verified", "blocks", len(left), "damages", len(damaged.Losses))
	}
}

// recordStore records which streams exist. Without the record the next start detects less damage; everything else works.
func (b *Broker) recordStore() {
	if err := b.embedded.store.Record(); err != nil {
		b.log.Warn("the list of streams could not be written; damage to the store may go unnoticed", "error", err)
	}
}

// verifyStreams fails unless the server has loaded every stream on the disk. The checks of the files do not detect a stream
// that the server does not accept.
func (b *Broker) verifyStreams(ctx context.Context) error {
	for _, name := range b.embedded.store.Names() {
		err := retry(ctx, func(ctx context.Context) error {
			_, err := b.js.Stream(ctx, name)
			if errors.Is(err, jetstream.ErrStreamNotFound) {
				return fmt.Errorf("NATS does not accept the stream %s in DATA_DIR; see its log lines. Restore DATA_DIR from a backup", name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// verifyTries is how often the numbers of a consumer are read before it counts as damaged: a separate worker may pull or
// acknowledge a job between two requests.
const verifyTries = 5

// verifyConsumers deletes consumers that would never deliver some jobs because their state skips them. declare recreates
// them.
func (b *Broker) verifyConsumers(ctx context.Context) error {
	stream, err := b.js.Stream(ctx, StreamJobs)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("check consumers: %w", err)
	}
	for _, cfg := range consumers(b.cfg) {
		skips := true
		for try := 0; skips && try < verifyTries; try++ {
			if skips, err = b.skips(ctx, stream, cfg); err != nil {
				return fmt.Errorf("check consumer %s: %w", cfg.Durable, err)
			}
		}
		if !skips {
			continue
		}
		if err := b.embedded.store.KeepConsumer(StreamJobs, cfg.Durable, b.embedded.recovered); err != nil {
			return err
		}
		if err := stream.DeleteConsumer(ctx, cfg.Durable); err != nil {
			return fmt.Errorf("delete damaged consumer %s: %w", cfg.Durable, err)
		}
		what := fmt.Sprintf("the state of consumer %s was damaged (it skips jobs); unacknowledged jobs are delivered again", cfg.Durable)
		b.embedded.recovered.Repairs = append(b.embedded.recovered.Repairs, what)
		b.log.WarnContext(ctx, "the store was damaged and is repaired; nothing is lost", "what", what, "aside", b.embedded.recovered.Aside)
	}
	return nil
}

// skips reports whether a consumer skips jobs: it has delivered more messages than there are, or has fewer left than there
// are. It costs three requests.
func (b *Broker) skips(ctx context.Context, stream jetstream.Stream, cfg jetstream.ConsumerConfig) (bool, error) {
	consumer, err := stream.Consumer(ctx, cfg.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	stored, err := CountFrom(ctx, b.js, StreamJobs, cfg.FilterSubject, 1)
	if err != nil {
		return false, err
	}
	state, err := stream.Info(ctx)
	if err != nil {
		return false, err
	}
	info := consumer.CachedInfo()
	return info.Delivered.Stream > state.State.LastSeq || info.NumPending+uint64(info.NumAckPending) < stored, nil //nolint:gosec // A count is not negative.
}
