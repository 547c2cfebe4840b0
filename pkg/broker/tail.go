package broker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// LastRange returns the range of sequences, both included, of the last n messages on a subject before a sequence, and the
// number of all messages on the subject; from is greater than to when there are none. The subject may contain wildcards. A
// stream cannot be read backwards, but it reports how many messages follow a sequence, so the start of the range is found by
// binary search. Each step costs a request, which any replica may answer.
func LastRange(ctx context.Context, js jetstream.JetStream, stream jetstream.Stream, subject string, before uint64, n int) (from, to, total uint64, err error) {
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("look up stream: %w", err)
	}
	name := info.Config.Name
	low, high := info.State.FirstSeq, min(before, info.State.LastSeq+1)
	total, err = CountFrom(ctx, js, name, subject, low)
	if err != nil || total == 0 {
		return 1, 0, 0, err
	}
	behind, err := CountFrom(ctx, js, name, subject, high)
	if err != nil {
		return 0, 0, 0, err
	}
	if behind >= total {
		return 1, 0, total, nil
	}
	end := high
	for low+1 < high {
		middle := low + (high-low)/2
		left, err := CountFrom(ctx, js, name, subject, middle)
		switch {
		case err != nil:
			return 0, 0, 0, err
		case left >= behind+uint64(n): //nolint:gosec // It is the size of a page.
			low = middle
		default:
			high = middle
		}
	}
	return low, end - 1, total, nil
}
