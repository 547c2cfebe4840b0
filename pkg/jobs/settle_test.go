package jobs_test

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func products() []store.Product {
	return []store.Product{
		{Media: job.Media{Index: 0, ContentType: "image/png"}, Data: []byte("zero")},
		{Media: job.Media{Index: 1, ContentType: "image/png"}, Data: []byte("one")},
	}
}

func succeeded(id string) *job.Record {
	spec := specOf("u1", id, time.Now())
	return &job.Record{Status: job.StatusSucceeded, Spec: spec, Attempt: 1, FinishedAt: job.At(time.Now())}
}

func failed(id string) *job.Record {
	return &job.Record{
		Status: job.StatusFailed, Spec: specOf("u1", id, time.Now()), Attempt: 8, FinishedAt: job.At(time.Now()),
		Error: job.NewError(job.CodeUnavailable, 502), Counts: job.Counts{Failures: 8, Throttles: 1},
	}
}

func equal(t *testing.T, a, b interface{ Encode() ([]byte, error) }) bool {
	t.Helper()
	x, errX := a.Encode()
	y, errY := b.Encode()
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return reflect.DeepEqual(x, y)
}

func TestSettle(t *testing.T) {
	t.Parallel()
	r := start(t)
	var steps []jobs.Step
	r.SetAfter(func(step jobs.Step) error {
		_, mediaErr := r.store.MediaInfo(t.Context(), "u1", "j1", 1)
		_, recordErr := r.store.RecordLeader(t.Context(), "u1", "j1")
		if mediaErr != nil || (recordErr == nil) != (step != jobs.StepMedia) {
			t.Errorf("after %s: media %v, record %v", step, mediaErr, recordErr)
		}
		steps = append(steps, step)
		return nil
	})
	final, won, err := r.Settle(t.Context(), jobs.Settlement{Record: succeeded("j1"), Products: products()})
	if err != nil || !won || !slices.Equal(steps, endSteps()) {
		t.Fatalf("won %t, steps %v, %v", won, steps, err)
	}
	r.SetAfter(nil)
	stored, err := r.store.RecordLeader(t.Context(), "u1", "j1")
	if err != nil || !equal(t, stored, final) || len(stored.Result.Media) != 2 || stored.Result.Media[1].Bytes != 3 {
		t.Errorf("%+v, %v", stored, err)
	}

	// A second settlement returns the final record, and so does a repeated one.
	again, won, err := r.Settle(t.Context(), jobs.Settlement{Record: failed("j1")})
	if err != nil || won || !equal(t, again, stored) {
		t.Errorf("the second: %+v, won %t, %v", again, won, err)
	}
	other := products()
	other[0].Data = []byte("another zero")
	again, won, err = r.Settle(t.Context(), jobs.Settlement{Record: succeeded("j1"), Products: other})
	if err != nil || won || !equal(t, again, stored) {
		t.Errorf("the repetition: %+v, won %t, %v", again, won, err)
	}
	m, err := r.store.OpenMedia(t.Context(), "u1", "j1", stored.Result.Media[0])
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(m); err != nil || string(data) != "zero" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestSettleStopsAfterEachStep stops after each step and settles again, as after the next delivery.
func TestSettleStopsAfterEachStep(t *testing.T) {
	t.Parallel()
	for _, step := range endSteps() {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			r := start(t)
			_, _, err := r.crashes(step).Settle(t.Context(), jobs.Settlement{Record: succeeded("j1"), Products: products()})
			if !errors.Is(err, errCrash) {
				t.Fatalf("%v", err)
			}
			_, err = r.store.RecordLeader(t.Context(), "u1", "j1")
			if (err == nil) != (step != jobs.StepMedia) {
				t.Errorf("the record after a stop after %s: %v", step, err)
			}
			second := succeeded("j1")
			second.Attempt = 2 // Otherwise it equals the first, if both end in the same millisecond.
			final, won, err := r.Settle(t.Context(), jobs.Settlement{Record: second, Products: products()})
			if err != nil || won != (step == jobs.StepMedia) || len(final.Result.Media) != 2 {
				t.Errorf("the second try: %+v, won %t, %v", final, won, err)
			}
		})
	}
}

func deadLetter(t *testing.T, b *broker.Broker, id string) *job.DeadLetter {
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
	s := start(t)
	depth := func(want int) {
		t.Helper()
		if got, err := s.store.DeadLetterCount(t.Context()); err != nil || got != want {
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
	if err := s.FollowUp(t.Context(), r, "response of the upstream"); err != nil {
		t.Fatal(err)
	}
	want := &job.DeadLetter{
		V: 1, Spec: r.Spec, Attempt: 8, FailedAt: r.FinishedAt, Error: r.Error, Detail: "response of the upstream", Counts: r.Counts,
	}
	if got := deadLetter(t, s.broker, "j1"); !equal(t, got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	// A repetition neither duplicates the dead letter nor loses its detail, which it does not have.
	for range 2 {
		if err := s.FollowUp(t.Context(), r, ""); err != nil {
			t.Fatal(err)
		}
	}
	depth(1)
	if got := deadLetter(t, s.broker, "j1"); !equal(t, got, want) {
		t.Errorf("after a repetition: %+v", got)
	}
	if err := s.FollowUp(t.Context(), r, "something else"); err != nil {
		t.Fatal(err)
	}
	depth(1)
	if got := deadLetter(t, s.broker, "j1"); got.Detail != "something else" {
		t.Errorf("not replaced: %+v", got)
	}
	if err := s.FollowUp(t.Context(), failed("j2"), ""); err != nil {
		t.Fatal(err)
	}
	depth(2)
}
