package broker_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// TestTail reads streams with gaps backwards, page by page, and compares the result with the stored messages.
func TestTail(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	js := b.JetStream()
	stream, err := js.Stream(t.Context(), broker.FeedbackStream)
	if err != nil {
		t.Fatal(err)
	}
	if from, to, total, err := broker.LastRange(t.Context(), js, stream, "$KV.FEEDBACK.>", math.MaxUint64, 3); err != nil || from <= to || total != 0 {
		t.Errorf("an empty stream: %d to %d of %d, %v", from, to, total, err)
	}
	want := map[string][]uint64{}
	for i := range 60 {
		owner := fmt.Sprint("o", i%7%3)
		ack, err := js.Publish(t.Context(), broker.FeedbackSubject("now", "20260101", owner, fmt.Sprint(i)), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if i%11 == 0 {
			if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(broker.FeedbackSubject("", "", "", fmt.Sprint(i)))); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want[owner], want[""] = append(want[owner], ack.Sequence), append(want[""], ack.Sequence)
	}
	for owner, sequences := range want {
		subject := broker.FeedbackSubject("", "", owner, "")
		for _, n := range []int{1, 4, 100} {
			left := sequences
			for before := uint64(math.MaxUint64); ; {
				from, to, total, err := broker.LastRange(t.Context(), js, stream, subject, before, n)
				if err != nil || total != uint64(len(sequences)) {
					t.Fatalf("%q, %d each: total %d, %v", owner, n, total, err)
				}
				if from > to {
					break
				}
				var got []uint64
				err = broker.Range(t.Context(), js, broker.FeedbackStream, subject, from, to, func(m *jetstream.RawStreamMsg) (bool, error) {
					got = append(got, m.Sequence)
					return true, nil
				})
				expected := left[max(0, len(left)-n):]
				if err != nil || fmt.Sprint(got) != fmt.Sprint(expected) {
					t.Fatalf("%q before %d: %v, want %v, %v", owner, before, got, expected, err)
				}
				left, before = left[:len(left)-len(got)], from
			}
			if len(left) > 0 {
				t.Errorf("%q, %d each: %d were not reached", owner, n, len(left))
			}
		}
	}
}
