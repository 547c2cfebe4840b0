package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestRange stores 1,200 dead letters of two kinds, deletes every third and reads ranges of the rest.
func TestRange(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	js := b.JetStream()
	const all = 1200
	var left []uint64
	var half time.Time
	for i := range all {
		kind := job.KindImage
		if i%2 == 1 {
			kind = job.KindAudio
		}
		ack, err := js.Publish(t.Context(), broker.DeadSubject(kind, "o", fmt.Sprintf("j%d", i)), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if i == all/2 {
			msg, err := broker.LeaderMessage(t.Context(), js, broker.StreamDead, ack.Sequence)
			if err != nil {
				t.Fatal(err)
			}
			half = msg.Time
		}
		left = append(left, ack.Sequence)
	}
	stream, err := js.Stream(t.Context(), broker.StreamDead)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < all; i += 3 {
		if err := stream.DeleteMsg(t.Context(), left[i]); err != nil {
			t.Fatal(err)
		}
		left[i] = 0
	}
	for _, kind := range []job.Kind{"", job.KindImage, job.KindAudio, job.KindPrompt} {
		subject := broker.DeadsSubject(kind, "")
		for _, part := range [][2]uint64{{0, all}, {1, all * 2}, {2, 2}, {3, 601}, {700, 699}, {1199, 1200}, {1201, 1300}} {
			var want, got []uint64
			count := uint64(0)
			for i, seq := range left {
				if seq == 0 || kind == job.KindPrompt || (kind == job.KindImage && i%2 == 1) || (kind == job.KindAudio && i%2 == 0) {
					continue
				}
				if seq >= part[0] {
					count++
				}
				if seq >= part[0] && seq <= part[1] {
					want = append(want, seq)
				}
			}
			err := broker.Range(t.Context(), js, broker.StreamDead, subject, part[0], part[1], func(m *jetstream.RawStreamMsg) (bool, error) {
				got = append(got, m.Sequence)
				return true, nil
			})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s %v: %d messages, want %d, %v", subject, part, len(got), len(want), err)
			}
			if n, err := broker.CountFrom(t.Context(), js, broker.StreamDead, subject, part[0]); err != nil || n != count {
				t.Errorf("%s from %d: counted %d, want %d, %v", subject, part[0], n, count, err)
			}
		}
	}
	anything := broker.DeadsSubject("", "")
	if seq, err := broker.FirstSince(t.Context(), js, broker.StreamDead, anything, half); err != nil || seq != all/2+2 {
		t.Errorf("since the middle: %d, %v", seq, err)
	}
	if _, err := broker.FirstSince(t.Context(), js, broker.StreamDead, anything, time.Now().Add(time.Hour)); !errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Errorf("since tomorrow: %v", err)
	}

	// A callback that stops or fails is not called again.
	n := 0
	err = broker.Range(t.Context(), js, broker.StreamDead, anything, 1, all, func(*jetstream.RawStreamMsg) (bool, error) {
		n++
		return n < 7, nil
	})
	if err != nil || n != 7 {
		t.Errorf("taken %d, %v", n, err)
	}
	trouble := errors.New("trouble")
	err = broker.Range(t.Context(), js, broker.StreamDead, anything, 1, all, func(*jetstream.RawStreamMsg) (bool, error) { return true, trouble })
	if !errors.Is(err, trouble) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := broker.Range(ctx, js, broker.StreamDead, anything, 1, all, func(*jetstream.RawStreamMsg) (bool, error) { return true, nil }); err == nil {
		t.Error("a missing response is treated as no messages")
	}
	if _, err := broker.CountFrom(ctx, js, broker.StreamDead, anything, 1); err == nil {
		t.Error("a missing response is counted")
	}
	if _, err := broker.CountFrom(t.Context(), js, "NOTHING", anything, 1); err == nil {
		t.Error("a missing stream is counted")
	}
}
