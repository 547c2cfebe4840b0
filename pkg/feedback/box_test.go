package feedback_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestConcurrentGive gives feedback concurrently through several boxes, as several processes do.
func TestConcurrentGive(t *testing.T) {
	t.Parallel()
	_, now, b := open(t)
	for round := range 5 {
		var wg sync.WaitGroup
		results := make(chan error, 40)
		for i := range cap(results) {
			wg.Go(func() {
				box, err := feedback.New(t.Context(), b, feedback.WithClock(now.Now))
				if err == nil {
					_, _, err = box.Give(t.Context(), writer("ann"), "bug", fmt.Sprint("attempt ", i))
				}
				results <- err
			})
		}
		wg.Wait()
		close(results)
		succeeded := 0
		for err := range results {
			soon, is := errors.AsType[*feedback.TooSoonError](err)
			switch {
			case err == nil:
				succeeded++
			case !is || !soon.Next.Equal(now.Now().Add(feedback.Every)):
				t.Errorf("got %v, want a TooSoonError", err)
			}
		}
		if succeeded != 1 {
			t.Errorf("round %d: %d calls succeeded, want 1", round, succeeded)
		}
		// The claim ends exactly after Every.
		now.Advance(feedback.Every - time.Millisecond)
		box, err := feedback.New(t.Context(), b, feedback.WithClock(now.Now))
		must(t, err)
		if _, _, err := box.Give(t.Context(), writer("ann"), "bug", "early"); err == nil {
			t.Error("feedback is accepted a millisecond early")
		}
		if next, err := box.Next(t.Context(), "ann"); err != nil || !next.Equal(now.Now().Add(time.Millisecond)) {
			t.Errorf("next %v, %v", next, err)
		}
		if _, _, err := box.Give(t.Context(), writer(fmt.Sprint("bob", round)), "bug", "of another member"); err != nil {
			t.Errorf("another member: %v", err)
		}
		now.Advance(time.Millisecond)
	}
	box, err := feedback.New(t.Context(), b)
	must(t, err)
	if list := contents(t, box, feedback.Filter{Owner: "ann"}, 3); len(list) != 5 {
		t.Errorf("stored: %v", list)
	}
}

// TestClaimIsReleasedOnFailure leaves room for the claim but not for the feedback.
func TestClaimIsReleasedOnFailure(t *testing.T) {
	t.Parallel()
	box, now, b := open(t)
	js := b.JetStream()
	stream, err := js.Stream(t.Context(), broker.FeedbackStream)
	must(t, err)
	bound := func(bytes int64) {
		cfg := stream.CachedInfo().Config
		cfg.MaxBytes = bytes
		_, err := js.UpdateStream(t.Context(), cfg)
		must(t, err)
	}
	bound(600)
	long := strings.Repeat("x", feedback.MaxContent)
	if _, _, err := box.Give(t.Context(), writer("ann"), "bug", long); !errors.Is(err, feedback.ErrFull) || strings.Contains(err.Error(), "xx") || strings.Contains(err.Error(), "@") {
		t.Fatalf("a full store: %v", err)
	}
	if info, err := stream.Info(t.Context()); err != nil || info.State.Msgs != 0 || info.State.LastSeq == 0 {
		t.Errorf("messages left: %+v, %v", info.State, err)
	}
	if next, err := box.Next(t.Context(), "ann"); err != nil || !next.IsZero() {
		t.Errorf("the claim is still stored until %v, %v", next, err)
	}
	bound(-1)
	if _, next, err := box.Give(t.Context(), writer("ann"), "bug", long); err != nil || !next.Equal(now.Now().Add(feedback.Every)) {
		t.Errorf("the second attempt: %v", err)
	}
	// A caller whose context has ended stores neither feedback nor claim.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := box.Give(gone, writer("bob"), "bug", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled caller: %v", err)
	}
	if _, _, err := box.Give(t.Context(), writer("bob"), "bug", "x"); err != nil {
		t.Errorf("the second attempt of the canceled caller: %v", err)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	box, now, _ := open(t)
	var ids []string
	started := now.Now()
	for i := range 30 {
		e := give(t, box, now, []string{"ann", "bob", "cy"}[i%3], []string{"bug", "other"}[i%2], fmt.Sprint(i))
		ids = append(ids, e.ID)
		if i%5 == 0 {
			_, err := box.Mark(t.Context(), e.ID, feedback.Processed)
			must(t, err)
		}
	}
	at := func(i int) time.Time { return started.Add(time.Duration(i+1) * feedback.Every) }
	for name, c := range map[string]struct {
		filter feedback.Filter
		want   func(i int) bool
	}{
		"all":       {feedback.Filter{}, func(int) bool { return true }},
		"ann's":     {feedback.Filter{Owner: "ann"}, func(i int) bool { return i%3 == 0 }},
		"no one's":  {feedback.Filter{Owner: "dan"}, func(int) bool { return false }},
		"bugs":      {feedback.Filter{Category: "bug"}, func(i int) bool { return i%2 == 0 }},
		"pending":   {feedback.Filter{Status: feedback.Pending}, func(i int) bool { return i%5 != 0 }},
		"processed": {feedback.Filter{Status: feedback.Processed}, func(i int) bool { return i%5 == 0 }},
		"from":      {feedback.Filter{From: at(7)}, func(i int) bool { return i >= 7 }},
		"to":        {feedback.Filter{To: at(7)}, func(i int) bool { return i <= 7 }},
		"between":   {feedback.Filter{From: at(3), To: at(22)}, func(i int) bool { return i >= 3 && i <= 22 }},
		"everything": {
			feedback.Filter{Owner: "bob", Category: "other", Status: feedback.Pending, From: at(2), To: at(28)},
			func(i int) bool { return i%3 == 1 && i%2 == 1 && i%5 != 0 && i >= 2 && i <= 28 },
		},
	} {
		var want []string
		for i := 29; i >= 0; i-- {
			if c.want(i) {
				want = append(want, fmt.Sprint(i))
			}
		}
		for n, limit := range []int{1, 7, 100} {
			box.ReadAtOnce([]int{1, 4, 500}[n])
			if got := contents(t, box, c.filter, limit); !slices.Equal(got, want) {
				t.Errorf("%s, %d each: %v, want %v", name, limit, got, want)
			}
		}
	}
	page, err := box.List(t.Context(), feedback.Filter{}, feedback.Place{}, 1)
	must(t, err)
	got := *page.Entries[0]
	if got.ID != ids[29] || got.UserID != "cy" || got.Email != "cy@example.org" || got.Category != "other" || got.Status != feedback.Pending || !got.CreatedAt.Equal(at(29)) {
		t.Errorf("the newest is %+v", got)
	}
	for place, valid := range map[feedback.Place]bool{{}: true, {Batch: 1, Before: 9}: true, {Batch: 2}: false, {Batch: -1}: false} {
		if place.Valid() != valid {
			t.Errorf("%+v is valid: %t", place, !valid)
		}
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	box, now, _ := open(t)
	expect := func(what string, total, processed, today int) {
		t.Helper()
		want := feedback.Stats{Total: total, Pending: total - processed, Processed: processed, Today: today}
		if got, err := box.Stats(t.Context()); err != nil || got != want {
			t.Errorf("%s: %+v, want %+v, %v", what, got, want, err)
		}
	}
	expect("nothing", 0, 0, 0)
	var ids []string
	for range 3 {
		ids = append(ids, give(t, box, now, "ann", "bug", "x").ID)
	}
	expect("three", 3, 0, 3)
	for _, id := range []string{ids[0], ids[0], ids[1]} {
		e, err := box.Mark(t.Context(), id, feedback.Processed)
		if err != nil || e.ID != id || e.Status != feedback.Processed {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	expect("two processed", 3, 2, 3)
	for range 2 {
		if e, err := box.Mark(t.Context(), ids[0], feedback.Pending); err != nil || e.Status != feedback.Pending {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	expect("one pending again", 3, 1, 3)
	now.Advance(12 * time.Hour)
	expect("the next day", 3, 1, 0)
	ids = append(ids, give(t, box, now, "bob", "bug", "x").ID)
	expect("one more", 4, 1, 1)
	for _, id := range []string{ids[1], ids[2]} {
		if e, err := box.Remove(t.Context(), id); err != nil || e.Owner != "ann" {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	expect("two removed", 2, 0, 1)
	for _, id := range []string{ids[1], "", "*", ">", "a.b", strings.Repeat("x", 65), "unknown"} {
		if _, err := box.Remove(t.Context(), id); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("remove %q: %v", id, err)
		}
		for _, status := range feedback.Statuses() {
			if _, err := box.Mark(t.Context(), id, status); !errors.Is(err, feedback.ErrNotFound) {
				t.Errorf("mark %q: %v", id, err)
			}
		}
	}
	expect("after failures", 2, 0, 1)
}

// TestMarkOfRemovedFeedback marks feedback that was removed after it was read.
func TestMarkOfRemovedFeedback(t *testing.T) {
	t.Parallel()
	box, now, b := open(t)
	e := give(t, box, now, "ann", "bug", "x")
	_, err := box.Remove(t.Context(), e.ID)
	must(t, err)
	if _, err := box.MarkFound(t.Context(), e, feedback.Processed); !errors.Is(err, feedback.ErrNotFound) {
		t.Errorf("mark: %v", err)
	}
	marks, err := broker.CountFrom(t.Context(), b.JetStream(), broker.FeedbackStream, broker.FeedbackDonesSubject(""), 1)
	if err != nil || marks != 0 {
		t.Errorf("%d marks are left, %v", marks, err)
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	box, now, b := open(t)
	for range 3 {
		for _, owner := range []string{"ann", "bob"} {
			_, err := box.Mark(t.Context(), give(t, box, now, owner, "bug", "x").ID, feedback.Processed)
			must(t, err)
		}
	}
	_, err := box.Import(t.Context(), &feedback.Entry{
		ID: "feedback_ann_1", UserID: "ann", Owner: "ann", Category: "bug", Content: "old", Status: feedback.Processed, CreatedAt: job.At(time.UnixMilli(1)),
	})
	must(t, err)
	for range 2 {
		must(t, box.Erase(t.Context(), "ann"))
	}
	for _, owner := range []string{"", "*", ">", "a.b"} {
		if err := box.Erase(t.Context(), owner); err == nil {
			t.Errorf("%q is erased", owner)
		}
	}
	left := map[string]int{}
	stream, err := b.JetStream().Stream(t.Context(), broker.FeedbackStream)
	must(t, err)
	must(t, broker.Range(t.Context(), b.JetStream(), broker.FeedbackStream, ">", 1, stream.CachedInfo().State.LastSeq, func(m *jetstream.RawStreamMsg) (bool, error) {
		for _, owner := range []string{"ann", "bob"} {
			if strings.Contains(m.Subject+string(m.Data), owner) {
				left[owner]++
			}
		}
		return true, nil
	}))
	if want := map[string]int{"bob": 7}; !reflect.DeepEqual(left, want) {
		t.Errorf("messages left: %v, want %v", left, want)
	}
	if _, _, err := box.Give(t.Context(), writer("ann"), "bug", "again"); err != nil {
		t.Errorf("the claim was not erased: %v", err)
	}
}

// TestUndecodableFeedback stores feedback of a newer version and damaged feedback among valid entries.
func TestUndecodableFeedback(t *testing.T) {
	t.Parallel()
	box, now, b := open(t)
	for i, data := range []string{`{"v":99,"id":"x0","content":"newer"}`, `{`, `{"v":1}`, `{"v":0,"id":"x3","content":"x"}`} {
		_, err := b.JetStream().Publish(t.Context(), broker.FeedbackSubject("now", "20261123", "ann", fmt.Sprint("x", i)), []byte(data))
		must(t, err)
	}
	_, err := b.JetStream().Publish(t.Context(), broker.FeedbackClaimSubject("ann"), []byte("damaged"))
	must(t, err)
	give(t, box, now, "ann", "bug", "good")
	_, err = b.JetStream().Publish(t.Context(), broker.FeedbackSubject("now", "20261123", "ann", "x9"), []byte("{"))
	must(t, err)
	give(t, box, now, "ann", "bug", "better")
	for _, filter := range []feedback.Filter{{}, {Owner: "ann"}, {Category: "bug"}} {
		for _, limit := range []int{1, 2, 10} {
			if list := contents(t, box, filter, limit); !slices.Equal(list, []string{"better", "good"}) {
				t.Errorf("limit %d, filter %+v: %v", limit, filter, list)
			}
		}
	}
	if _, err := box.Mark(t.Context(), "x0", feedback.Processed); err == nil || errors.Is(err, feedback.ErrNotFound) {
		t.Errorf("a newer version: %v", err)
	}
	if _, err := box.Mark(t.Context(), "x1", feedback.Processed); !errors.Is(err, feedback.ErrNotFound) {
		t.Errorf("a damaged entry: %v", err)
	}
}
