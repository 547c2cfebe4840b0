package jobs_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// history stores ended jobs of u1, every tenth under the id of an idempotency key, and returns them newest first.
func (r *rig) history(t testing.TB, n int) []*job.Spec {
	t.Helper()
	specs := make([]*job.Spec, n)
	base := time.Now().Add(-time.Hour)
	for i := range specs {
		if i%10 == 0 {
			specs[i] = specOf("u1", keyedID(), base.Add(time.Duration(i*7919%n)*time.Second/time.Duration(n)*3000))
		} else {
			specs[i] = fresh(t, "u1")
		}
	}
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(32)
	for i, spec := range specs {
		group.Go(func() error {
			record := &job.Record{Status: job.StatusSucceeded, Spec: spec, FinishedAt: job.At(time.Now())}
			if i%3 == 0 {
				record.Status, record.Error = job.StatusFailed, job.NewError(job.CodeRejected, 400)
			}
			_, _, err := r.store.PutRecord(ctx, record)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	sortNewestFirst(specs)
	return specs
}

func sortNewestFirst(specs []*job.Spec) {
	slices.SortFunc(specs, func(a, b *job.Spec) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt.Time), cmp.Compare(b.ID, a.ID))
	})
}

func idsOf(specs []*job.Spec) []string {
	ids := make([]string, len(specs))
	for i, s := range specs {
		ids[i] = s.ID
	}
	return ids
}

// pages lists all pages; between is called after each.
func (r *rig) pages(t *testing.T, f jobs.Filter, between func(page int)) []string {
	t.Helper()
	var ids []string
	for page := 0; page < 10_000; page++ {
		p, err := r.List(t.Context(), []string{"u1"}, f)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Jobs) > f.Limit {
			t.Fatalf("page %d has %d jobs", page, len(p.Jobs))
		}
		for _, snap := range p.Jobs {
			ids = append(ids, snap.Spec.ID)
		}
		if p.Next == nil {
			return ids
		}
		if len(p.Jobs) != f.Limit {
			t.Fatalf("page %d has %d jobs and is not the last", page, len(p.Jobs))
		}
		f.After = *p.Next
		between(page)
	}
	t.Fatal("too many pages")
	return nil
}

func TestListThousandsInPages(t *testing.T) {
	t.Parallel()
	r := start(t)
	want := r.history(t, 2989)
	oldest := specOf("u1", keyedID(), time.Now().Add(-2*time.Hour))
	oldest.Input = &job.ImageInput{Prompt: "Ein Ka\u0308fer"}
	r.record(t, oldest, job.StatusSucceeded)
	want = append(want, oldest)
	for range 10 {
		want = append(want, r.submit(t))
	}
	sortNewestFirst(want)
	got := r.pages(t, jobs.Filter{Limit: 100}, func(page int) {
		// Jobs submitted between two pages are newer than those listed so far.
		if page%7 == 0 {
			r.submit(t)
		}
	})
	if !slices.Equal(got, idsOf(want)) {
		t.Errorf("listed %d jobs, want %d", len(got), len(want))
		for i := range min(len(got), len(want)) {
			if got[i] != want[i].ID {
				t.Fatalf("the first difference is at %d: %s, want %s", i, got[i], want[i].ID)
			}
		}
	}
	failed := r.pages(t, jobs.Filter{Limit: 100, Statuses: []job.Status{job.StatusFailed}}, func(int) {})
	if len(failed) != (2990+2)/3 {
		t.Errorf("%d failed jobs", len(failed))
	}
	// A search reads at most a thousand jobs per page, so that the first pages are empty.
	f := jobs.Filter{Limit: 5, Text: "KÄFER"}
	for n := 0; ; n++ {
		page, err := r.List(t.Context(), []string{"u1"}, f)
		if err != nil {
			t.Fatal(err)
		}
		if page.Next == nil {
			if n != 3 || len(page.Jobs) != 1 || page.Jobs[0].Spec.ID != oldest.ID {
				t.Errorf("page %d of the search has %d jobs", n, len(page.Jobs))
			}
			break
		}
		if f.After = *page.Next; n == 3 || len(page.Jobs) > 0 {
			t.Fatalf("page %d of the search has %d jobs and is not the last", n, len(page.Jobs))
		}
	}
}

func TestListSearch(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, in := range []struct {
		kind  job.Kind
		input job.Input
	}{
		{job.KindImage, &job.ImageInput{Prompt: "Straße im Café", Negative: "people"}},
		{job.KindAudio, &job.AudioInput{Text: "黄昏时的灯塔"}},
		{job.KindPrompt, &job.TextInput{Text: "ΟΔΥΣΣΕΥΣ % _ .* \\"}},
	} {
		spec := fresh(t, "u1")
		spec.Kind, spec.Input = in.kind, in.input
		r.submitSpec(t, spec)
	}
	r.putRecord(t, &job.Record{
		Status: job.StatusSucceeded, Spec: fresh(t, "u1"), FinishedAt: job.At(time.Now()),
		Result: &job.Result{Prompt: &job.PromptPair{Original: "a fox", Optimized: "A vixen at dawn"}},
	})
	for text, want := range map[string]int{
		"STRASSE": 1, "straße": 1, "cafe\u0301": 1, "CAFÉ": 1, "ＣＡＦÉ": 1, "people": 0, "灯塔": 1, "οδυσσεύς": 0, "οδυσσευς": 1,
		"% _ .* \\": 1, ".": 1, "VIXEN AT": 1, "fox": 1, "": 4, "cat": 0,
	} {
		page, err := r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 10, Text: text})
		if err != nil || len(page.Jobs) != want {
			t.Errorf("%q: %d jobs, want %d, %v", text, len(page.Jobs), want, err)
		}
	}
	both := jobs.Filter{Limit: 10, Text: "straße", Kinds: []job.Kind{job.KindAudio}}
	if page, err := r.List(t.Context(), []string{"u1"}, both); err != nil || len(page.Jobs) != 0 {
		t.Errorf("of another kind: %d jobs, %v", len(page.Jobs), err)
	}
}

// TestListByTagsAndTime lists jobs that were submitted a minute apart, some with tags.
func TestListByTagsAndTime(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := time.Now().Truncate(time.Second).Add(-time.Hour)
	at := func(minutes int) time.Time { return first.Add(time.Duration(minutes) * time.Minute) }
	for i, tags := range [][]string{{"a"}, {"a", "b"}, nil, {"b"}, {"A"}} {
		spec := fresh(t, "u1")
		// An id without a time, so that the time of submission is that of the job.
		spec.ID, spec.CreatedAt, spec.Tags = keyedID(), job.At(at(i)), tags
		spec.MaxAttempts = i + 1
		if i%2 == 0 {
			r.submitSpec(t, spec)
		} else {
			r.putRecord(t, &job.Record{Status: job.StatusSucceeded, Spec: spec, FinishedAt: job.At(time.Now()), Result: &job.Result{}})
		}
	}
	for name, tc := range map[string]struct {
		filter jobs.Filter
		want   []int
	}{
		"all":             {jobs.Filter{}, []int{4, 3, 2, 1, 0}},
		"one tag":         {jobs.Filter{Tags: []string{"a"}}, []int{1, 0}},
		"both tags":       {jobs.Filter{Tags: []string{"b", "a"}}, []int{1}},
		"unknown tag":     {jobs.Filter{Tags: []string{"c"}}, nil},
		"after":           {jobs.Filter{CreatedAfter: at(2)}, []int{4, 3}},
		"before":          {jobs.Filter{CreatedBefore: at(2)}, []int{1, 0}},
		"between":         {jobs.Filter{CreatedAfter: at(0), CreatedBefore: at(4)}, []int{3, 2, 1}},
		"between, tagged": {jobs.Filter{CreatedAfter: at(0), CreatedBefore: at(4), Tags: []string{"b"}}, []int{3, 1}},
		"before all":      {jobs.Filter{CreatedBefore: at(0)}, nil},
		"after all":       {jobs.Filter{CreatedAfter: at(4)}, nil},
		"reversed":        {jobs.Filter{CreatedAfter: at(3), CreatedBefore: at(1)}, nil},
	} {
		tc.filter.Limit = 2
		var got []int
		for {
			page, err := r.List(t.Context(), []string{"u1"}, tc.filter)
			if err != nil {
				t.Fatal(err)
			}
			for _, snap := range page.Jobs {
				got = append(got, snap.Spec.MaxAttempts-1)
			}
			if page.Next == nil {
				break
			}
			tc.filter.After = *page.Next
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

// TestListOfOwners lists the jobs of two owners together.
func TestListOfOwners(t *testing.T) {
	t.Parallel()
	r := start(t)
	var want []*job.Spec
	for i := range 9 {
		owner := []string{"u1", "g-1", "u2"}[i%3]
		spec := fresh(t, owner)
		if i%2 == 0 {
			spec = specOf(owner, keyedID(), spec.CreatedAt.Time)
		}
		r.submitSpec(t, spec)
		if i > 5 {
			r.finish(t, spec)
		}
		if owner != "u2" {
			want = append(want, spec)
		}
	}
	sortNewestFirst(want)
	for limit := range 8 {
		var got []string
		for f := (jobs.Filter{Limit: limit}); ; {
			page, err := r.List(t.Context(), []string{"u1", "g-1"}, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, snap := range page.Jobs {
				got = append(got, snap.Spec.ID)
			}
			if page.Next == nil {
				break
			}
			f.After = *page.Next
		}
		if !slices.Equal(got, idsOf(want)) {
			t.Errorf("by %d: %v, want %v", limit, got, idsOf(want))
		}
	}
}

// TestListOfAKeyUsedAgain lists a job whose key was that of a deleted job, which this process has listed.
func TestListOfAKeyUsedAgain(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := specOf("u1", keyedID(), time.Now().Add(-time.Minute))
	other := r.submit(t)
	r.submitSpec(t, first)
	if got := r.pages(t, jobs.Filter{Limit: 1}, func(int) {}); !slices.Equal(got, []string{other.ID, first.ID}) {
		t.Fatalf("listed %v", got)
	}
	r.finish(t, first)
	if err := r.Delete(t.Context(), []string{"u1"}, first.ID); err != nil {
		t.Fatal(err)
	}
	again := specOf("u1", first.ID, time.Now().Add(time.Minute))
	r.submitSpec(t, again)
	if got := r.pages(t, jobs.Filter{Limit: 1}, func(int) {}); !slices.Equal(got, []string{again.ID, other.ID}) {
		t.Errorf("listed %v", got)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	r := start(t)
	kinds := map[string]job.Kind{}
	statuses := map[string]job.Status{}
	for i, kind := range []job.Kind{job.KindImage, job.KindAudio, job.KindPrompt, job.KindImage, job.KindImage, job.KindAudio} {
		spec := fresh(t, "u1")
		spec.Kind = kind
		spec.Input, _ = job.NewInput(kind)
		r.submitSpec(t, spec)
		kinds[spec.ID], statuses[spec.ID] = kind, job.StatusQueued
		switch i {
		case 0:
			r.finish(t, spec)
			statuses[spec.ID] = job.StatusSucceeded
		case 1:
			r.record(t, spec, job.StatusFailed)
			statuses[spec.ID] = job.StatusFailed
		case 2:
			r.progress(t, spec, job.StatusRunning)
			statuses[spec.ID] = job.StatusRunning
		}
	}
	other := fresh(t, "u2")
	r.submitSpec(t, other)
	for name, f := range map[string]jobs.Filter{
		"all":              {},
		"images":           {Kinds: []job.Kind{job.KindImage}},
		"images and audio": {Kinds: []job.Kind{job.KindImage, job.KindAudio}},
		"translations":     {Kinds: []job.Kind{job.KindTranslation}},
		"queued":           {Statuses: []job.Status{job.StatusQueued}},
		"ended":            {Statuses: []job.Status{job.StatusSucceeded, job.StatusFailed, job.StatusCanceled}},
		"running prompts":  {Kinds: []job.Kind{job.KindPrompt}, Statuses: []job.Status{job.StatusRunning}},
		"failed images":    {Kinds: []job.Kind{job.KindImage}, Statuses: []job.Status{job.StatusFailed}},
	} {
		var want []string
		for id, kind := range kinds {
			if (len(f.Kinds) == 0 || slices.Contains(f.Kinds, kind)) &&
				(len(f.Statuses) == 0 || slices.Contains(f.Statuses, statuses[id])) {
				want = append(want, id)
			}
		}
		slices.SortFunc(want, func(a, b string) int { return cmp.Compare(b, a) })
		for _, limit := range []int{1, 2, 100} {
			f.Limit = limit
			if got := r.pages(t, f, func(int) {}); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v, want %v", name, limit, got, want)
			}
		}
	}
}

func TestListEdges(t *testing.T) {
	t.Parallel()
	r := start(t)
	page, err := r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 10})
	if err != nil || page.Next != nil || page.Jobs == nil || len(page.Jobs) != 0 {
		t.Errorf("nothing: %+v, %v", page, err)
	}
	old, young := r.submit(t), r.submit(t)
	// An invalid limit is treated as 1.
	for _, limit := range []int{0, -1, 1} {
		page, err = r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: limit})
		if err != nil || len(page.Jobs) != 1 || page.Jobs[0].Spec.ID != young.ID || page.Next == nil {
			t.Errorf("limit %d: %+v, %v", limit, page, err)
		}
	}
	// The last job of a page may have been deleted since.
	r.finish(t, young)
	if err := r.Delete(t.Context(), []string{"u1"}, young.ID); err != nil {
		t.Fatal(err)
	}
	page, err = r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 1, After: *page.Next})
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].Spec.ID != old.ID || page.Next != nil {
		t.Errorf("after a deleted job: %+v, %v", page, err)
	}
}

// TestListOmitsJobsOfANewerVersion checks that such a job does not hide the others.
func TestListOmitsJobsOfANewerVersion(t *testing.T) {
	t.Parallel()
	r := start(t)
	spec := r.submit(t)
	for _, subject := range []string{
		broker.RecordSubject("u1", "newer-record"),
		broker.JobSubject(job.KindImage, job.LaneMember, "u1", "newer-queued"),
	} {
		if _, err := r.broker.JetStream().Publish(t.Context(), subject, []byte(`{"v":3}`)); err != nil {
			t.Fatal(err)
		}
	}
	page, err := r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 10})
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].Spec.ID != spec.ID {
		t.Errorf("%+v, %v", page, err)
	}
	if active, err := r.Active(t.Context(), "u1"); err != nil || len(active) != 1 {
		t.Errorf("active: %+v, %v", active, err)
	}
}

func TestActive(t *testing.T) {
	t.Parallel()
	r := start(t)
	if got, err := r.Active(t.Context(), "u1"); err != nil || len(got) != 0 {
		t.Errorf("of an unknown owner: %+v, %v", got, err)
	}
	want := map[string]job.Status{}
	for i := range 120 {
		spec := r.submit(t)
		switch i % 4 {
		case 0:
			want[spec.ID] = job.StatusQueued
		case 1:
			r.progress(t, spec, job.StatusRetrying)
			want[spec.ID] = job.StatusRetrying
		case 2:
			r.finish(t, spec)
		case 3:
			// Ended, though not settled.
			r.record(t, spec, job.StatusFailed)
		}
	}
	r.submitSpec(t, fresh(t, "u2"))
	active, err := r.Active(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	for _, snap := range active {
		if want[snap.Spec.ID] != snap.Status() {
			t.Errorf("%s is %s, want %q", snap.Spec.ID, snap.Status(), want[snap.Spec.ID])
		}
		delete(want, snap.Spec.ID)
	}
	if len(want) > 0 {
		t.Errorf("%d active jobs are not listed", len(want))
	}
}
