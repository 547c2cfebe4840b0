package quota

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// Forget removes the counters of all windows of some names. It may be repeated, and costs two requests and two more for each
// name.
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
