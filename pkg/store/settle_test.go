package store_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func products() []store.Product {
	return []store.Product{
		{Media: job.Media{Index: 0, ContentType: "image/png"}, Data: []byte("zero")},
		{Media: job.Media{Index: 1, ContentType: "image/png"}, Data: []byte("one")},
	}
}

func TestSettle(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	var steps []store.Step
	final, won, err := s.Settle(t.Context(), succeeded("j1"), products(), func(step store.Step) error {
		_, mediaErr := s.MediaInfo(t.Context(), "u1", "j1", 1)
		_, recordErr := s.RecordLeader(t.Context(), "u1", "j1")
		if (mediaErr == nil) != true || (recordErr == nil) != (step == store.StepRecord) {
			t.Errorf("behind %s: media %v, record %v", step, mediaErr, recordErr)
		}
		steps = append(steps, step)
		return nil
	})
	if err != nil || !won || !slices.Equal(steps, []store.Step{store.StepMedia, store.StepRecord}) {
		t.Fatalf("won %t, steps %v, %v", won, steps, err)
	}
	stored, err := s.RecordLeader(t.Context(), "u1", "j1")
	if err != nil || !equal(t, stored, final) || len(stored.Result.Media) != 2 || stored.Result.Media[1].Bytes != 3 {
		t.Errorf("%+v, %v", stored, err)
	}

	// Whoever comes second gets the record that holds, and so does whoever repeats himself.
	late := failed("j1")
	again, won, err := s.Settle(t.Context(), late, nil, nil)
	if err != nil || won || !equal(t, again, stored) {
		t.Errorf("the second: %+v, won %t, %v", again, won, err)
	}
	other := products()
	other[0].Data = []byte("another zero")
	again, won, err = s.Settle(t.Context(), succeeded("j1"), other, nil)
	if err != nil || won || !equal(t, again, stored) {
		t.Errorf("the repetition: %+v, won %t, %v", again, won, err)
	}
	r, err := s.OpenMedia(t.Context(), "u1", "j1", 0)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(r); err != nil || string(data) != "zero" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestSettleStopsBehindEachStep stops in each gap and settles again, as the next delivery would.
func TestSettleStopsBehindEachStep(t *testing.T) {
	t.Parallel()
	for _, at := range []store.Step{store.StepMedia, store.StepRecord} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			s, _ := start(t)
			stopped := errors.New("stopped")
			_, _, err := s.Settle(t.Context(), succeeded("j1"), products(), func(step store.Step) error {
				if step == at {
					return stopped
				}
				return nil
			})
			if !errors.Is(err, stopped) {
				t.Fatalf("%v", err)
			}
			_, err = s.RecordLeader(t.Context(), "u1", "j1")
			if (err == nil) != (at == store.StepRecord) {
				t.Errorf("the record after a stop behind %s: %v", at, err)
			}
			final, won, err := s.Settle(t.Context(), succeeded("j1"), products(), nil)
			if err != nil || won != (at == store.StepMedia) || len(final.Result.Media) != 2 {
				t.Errorf("the second try: %+v, won %t, %v", final, won, err)
			}
		})
	}
}

func letter(t *testing.T, b *broker.Broker, id string) *job.DeadLetter {
	t.Helper()
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.StreamDead, broker.DeadSubject(job.KindImage, "u1", id))
	if err != nil {
		t.Fatal(err)
	}
	d, err := job.DecodeDeadLetter(msg.Data)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	depth := func(want int) {
		t.Helper()
		if got, err := s.DeadDepth(t.Context()); err != nil || got != want {
			t.Errorf("%d dead letters, %v; want %d", got, err, want)
		}
	}
	canceled := succeeded("j1")
	canceled.Status = job.StatusCanceled
	for _, r := range []*job.Record{succeeded("j1"), canceled} {
		if err := s.FollowUp(t.Context(), r, "detail"); err != nil {
			t.Fatal(err)
		}
	}
	depth(0)
	r := failed("j1")
	if err := s.FollowUp(t.Context(), r, "what the upstream said"); err != nil {
		t.Fatal(err)
	}
	want := &job.DeadLetter{
		V: 1, Spec: r.Spec, Attempt: 8, FailedAt: r.FinishedAt, Error: r.Error, Detail: "what the upstream said", Counts: r.Counts,
	}
	if got := letter(t, b, "j1"); !equal(t, got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	// A repetition neither doubles the letter nor, since it does not know them, loses the upstream's words.
	for range 2 {
		if err := s.FollowUp(t.Context(), r, ""); err != nil {
			t.Fatal(err)
		}
	}
	depth(1)
	if got := letter(t, b, "j1"); !equal(t, got, want) {
		t.Errorf("after a repetition: %+v", got)
	}
	if err := s.FollowUp(t.Context(), r, "something else"); err != nil {
		t.Fatal(err)
	}
	depth(1)
	if got := letter(t, b, "j1"); got.Detail != "something else" {
		t.Errorf("not replaced: %+v", got)
	}
	if err := s.FollowUp(t.Context(), failed("j2"), ""); err != nil {
		t.Fatal(err)
	}
	depth(2)
}
