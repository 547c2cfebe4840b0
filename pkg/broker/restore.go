package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// StreamRestore exists while a backup is being restored and after an interrupted restore. It is empty.
const StreamRestore = "RESTORE"

// ErrRestoreUnfinished is returned for a store into which a backup was restored in part: the restore is still running or was
// interrupted.
var ErrRestoreUnfinished = errors.New("a restore of a backup into this store is under way or was interrupted; " +
	"when none is running, restore again with: api restore --discard-unfinished FILE")

// OpenUndeclared is Open for making or restoring a backup: it declares and reconciles nothing and changes no stored data. It
// also opens a store with an unfinished restore. It fails as Open does.
func OpenUndeclared(ctx context.Context, cfg Config, log *slog.Logger) (*Broker, error) {
	return openBroker(ctx, cfg, log, false)
}

// StreamNames returns the names of all streams, including those of buckets.
func StreamNames() []string {
	var names []string
	for _, stream := range declaredStreams(Config{}) {
		names = append(names, stream.Name)
	}
	return names
}

// RestoreUnfinished reports whether a backup was restored in part. It costs one request.
func (b *Broker) RestoreUnfinished(ctx context.Context) (bool, error) {
	_, err := b.js.Stream(ctx, StreamRestore)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check for an unfinished restore: %w", err)
	}
	return true, nil
}

// BeginRestore makes Open fail in every process until EndRestore. from is when the backup was made.
func (b *Broker) BeginRestore(ctx context.Context, from time.Time) error {
	_, err := b.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: StreamRestore, Subjects: []string{"restore.unfinished"}, Storage: jetstream.FileStorage, Replicas: b.cfg.Replicas,
		Description: "A backup of " + from.UTC().Format(time.RFC3339) + " is being restored, or that was interrupted.",
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return ErrRestoreUnfinished
	}
	if err != nil {
		return fmt.Errorf("begin restore: %w", err)
	}
	return nil
}

// EndRestore makes Open succeed again.
func (b *Broker) EndRestore(ctx context.Context) error {
	if err := b.js.DeleteStream(ctx, StreamRestore); err != nil {
		return fmt.Errorf("end restore: %w", err)
	}
	return nil
}

// checkRestore fails for a store that was restored in part.
func (b *Broker) checkRestore(ctx context.Context) error {
	unfinished, err := b.RestoreUnfinished(ctx)
	if err == nil && unfinished {
		err = ErrRestoreUnfinished
	}
	return err
}
