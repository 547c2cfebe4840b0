package quota

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// Forget removes the counters of names in all windows. It is idempotent. It costs two requests and two more per name.
func (q *Quota) Forget(ctx context.Context, names ...string) error {
	for _, window := range []string{broker.UsageMinute, broker.UsageDay} {
		stream, err := q.js.Stream(ctx, broker.UsageStream(window))
		for _, name := range names {
			if err == nil {
				err = stream.Purge(ctx, jetstream.WithPurgeSubject(broker.WhoUsageSubject(window, name)))
			}
		}
		if err != nil {
			return fmt.Errorf("forget counters: %w", err)
		}
	}
	return nil
}
