package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// putDeadLetter stores a dead letter.
func putDeadLetter(t testing.TB, s *store.Store, kind job.Kind, owner, id, code string, failedAt time.Time) {
	t.Helper()
	d := &job.DeadLetter{Spec: spec(id), FailedAt: job.At(failedAt), Error: job.NewError(code, 0), Attempt: 1}
	d.Spec.Kind, d.Spec.Owner = kind, owner
	if kind == job.KindPrompt {
		d.Spec.Input = &job.TextInput{Text: "t"}
	}
	if err := s.PutDeadLetter(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func idsOf(page *store.DeadLetterPage) []string {
	var ids []string
	for _, l := range page.Letters {
		ids = append(ids, l.ID)
	}
	return ids
}

// TestDeadLetters compares all pages of all filters with an expected list, with gaps in the sequence.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	noon := time.Now().Truncate(time.Hour)
	type entry struct {
		id, owner, code string
		kind            job.Kind
		failed          time.Time
	}
	var all []entry
	kinds, owners := []job.Kind{job.KindImage, job.KindPrompt, job.KindImage}, []string{"u1", "u2"}
	codes := []string{job.CodeTimeout, job.CodeUnavailable, job.CodeModerated, job.CodeTimeout}
	for i := range 60 {
		e := entry{fmt.Sprintf("j%03d", i), owners[i%2], codes[i%4], kinds[i%3], noon.Add(time.Duration(i-40) * time.Minute)}
		putDeadLetter(t, s, e.kind, e.owner, e.id, e.code, e.failed)
		if i%7 == 3 {
			letter, err := s.DeadLetter(t.Context(), e.id)
			if err != nil {
				t.Fatal(err)
			}
			if removed, err := s.RemoveDeadLetter(t.Context(), letter); err != nil || !removed {
				t.Fatal(removed, err)
			}
			continue
		}
		all = append(all, e)
	}
	if _, err := b.JetStream().Publish(t.Context(), broker.DeadSubject(job.KindAudio, "u3", "newer"), []byte(`{"v":3}`)); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	for name, f := range map[string]store.DeadLetterFilter{
		"kind":         {Kinds: []job.Kind{job.KindPrompt}},
		"kinds":        {Kinds: []job.Kind{job.KindPrompt, job.KindImage}},
		"owner":        {Owner: "u2"},
		"kind, owner":  {Owner: "u1", Kinds: []job.Kind{job.KindImage}},
		"code":         {Codes: []string{job.CodeModerated}},
		"codes":        {Codes: []string{job.CodeModerated, job.CodeUnavailable}, Owner: "u2"},
		"since":        {Since: noon, Kinds: []job.Kind{job.KindImage, job.KindPrompt}},
		"code, since":  {Since: noon.Add(-10 * time.Minute), Codes: []string{job.CodeTimeout}},
		"no owner":     {Owner: "u9"},
		"nothing":      {Kinds: []job.Kind{job.KindTranslation}},
		"not recently": {Since: noon.Add(24 * time.Hour)},
		"an odd code":  {Codes: []string{"odd"}},
	} {
		var want []string
		for _, e := range all {
			if (len(f.Kinds) == 0 || slices.Contains(f.Kinds, e.kind)) && (len(f.Codes) == 0 || slices.Contains(f.Codes, e.code)) &&
				(f.Owner == "" || f.Owner == e.owner) && !e.failed.Before(f.Since) {
				want = append(want, e.id)
			}
		}
		for _, limit := range []int{1, 7, 50, len(want), 500} {
			var got []string
			for before := uint64(0); ; {
				page, err := s.DeadLetters(t.Context(), f, before, limit)
				if err != nil || page.Total != len(want) || len(page.Letters) > max(1, limit) {
					t.Fatalf("%s, %d per page: %d dead letters of %d, want %d, %v", name, limit, len(page.Letters), page.Total, len(want), err)
				}
				got = append(got, idsOf(page)...)
				if before = page.Next; before == 0 {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, %d per page: %v, want %v", name, limit, got, want)
			}
		}
	}
	// Dead letters that cannot be decoded are listed with their error.
	page, err := s.DeadLetters(t.Context(), store.DeadLetterFilter{}, 0, 2)
	if err != nil || page.Total != len(all)+1 || page.Letters[0].ID != "newer" || page.Letters[0].Kind != job.KindAudio || page.Letters[0].Owner != "u3" {
		t.Fatalf("%+v, %v", page, err)
	}
	if l := page.Letters[0]; l.Dead != nil || !errors.Is(l.Fault, job.ErrNewer) || !l.FailedAt().Equal(l.StoredAt) {
		t.Errorf("%+v", l)
	}
	if l := page.Letters[1]; l.Dead == nil || l.Fault != nil || !l.FailedAt().Equal(all[0].failed) {
		t.Errorf("%+v", l)
	}
}

func TestNoDeadLetters(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	for _, f := range []store.DeadLetterFilter{{}, {Codes: []string{job.CodeTimeout}}, {Since: time.Now()}} {
		if page, err := s.DeadLetters(t.Context(), f, 0, 20); err != nil || page.Total != 0 || len(page.Letters) != 0 || page.Next != 0 {
			t.Errorf("%+v, %v", page, err)
		}
	}
	if seq, err := s.LastDeadLetter(t.Context()); err != nil || seq != 0 {
		t.Errorf("%d, %v", seq, err)
	}
	_, err := s.DeadLetter(t.Context(), "nothing")
	missing(t, "a letter that is not there", err)
}

func TestRemoveDeadLetter(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	putDeadLetter(t, s, job.KindImage, "u1", "j1", job.CodeTimeout, time.Now())
	letter, err := s.DeadLetter(t.Context(), "j1")
	if err != nil {
		t.Fatal(err)
	}
	// A dead letter that has replaced it is kept.
	putDeadLetter(t, s, job.KindImage, "u1", "j1", job.CodeUnavailable, time.Now())
	if removed, err := s.RemoveDeadLetter(t.Context(), letter); err != nil || removed {
		t.Errorf("removed %t, %v", removed, err)
	}
	letter, err = s.DeadLetter(t.Context(), "j1")
	if err != nil || letter.Dead.Error.Code != job.CodeUnavailable {
		t.Fatalf("%+v, %v", letter, err)
	}
	for _, want := range []bool{true, false} {
		if removed, err := s.RemoveDeadLetter(t.Context(), letter); err != nil || removed != want {
			t.Errorf("removed %t, want %t, %v", removed, want, err)
		}
	}
	_, err = s.DeadLetter(t.Context(), "j1")
	missing(t, "a removed letter", err)
}

// putDeadLetters stores dead letters of many owners.
func putDeadLetters(t testing.TB, s *store.Store, n int) {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(64)
	for i := range n {
		group.Go(func() error {
			d := &job.DeadLetter{Spec: spec(fmt.Sprintf("j%06d", i)), FailedAt: job.At(time.Now()), Error: job.NewError(job.CodeTimeout, 0)}
			d.Spec.Owner = fmt.Sprintf("u%d", i%100)
			return s.PutDeadLetter(ctx, d)
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkDeadLetters lists a page of 10,000 dead letters.
func BenchmarkDeadLetters(b *testing.B) {
	s, _ := start(b)
	const letters = 10_000
	putDeadLetters(b, s, letters)
	for name, f := range map[string]store.DeadLetterFilter{
		"all": {}, "owner": {Owner: "u7"}, "code": {Codes: []string{job.CodeTimeout}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if page, err := s.DeadLetters(b.Context(), f, 0, 20); err != nil || len(page.Letters) != 20 {
					b.Fatal(page, err)
				}
			}
		})
	}
}
