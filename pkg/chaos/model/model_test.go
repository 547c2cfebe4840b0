package model_test

import (
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
)

func view(t *testing.T, data string) *model.View {
	t.Helper()
	v, err := model.Parse([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestModel(t *testing.T) {
	t.Parallel()
	running := `{"id":"a","status":"running"}`
	succeeded := `{"id":"a","status":"succeeded","finished_at":"1","result":{"media":[{"index":0,"sha256":"x"}]}}`
	for name, c := range map[string]struct {
		record func(*model.Model)
		// violation is in the one violation; nothing means that there is none.
		violation  string
		staleReads int
	}{
		"consistent": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, running))
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(time.Now(), view(t, succeeded))
			b.Listed(time.Now(), "o", []string{"a"})
			b.Listed(time.Now(), "another owner", nil)
		}},
		"different outcome": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(time.Now(), view(t, `{"id":"a","status":"canceled"}`))
			b.Observe(time.Now(), view(t, `{"id":"a","status":"canceled"}`))
		}, violation: "ended twice"},
		"different time": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(time.Now(), view(t, strings.Replace(succeeded, `"1"`, `"2"`, 1)))
		}, violation: "ended twice"},
		"different media": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(time.Now(), view(t, strings.Replace(succeeded, `"x"`, `"y"`, 1)))
		}, violation: "ended twice"},
		"removed end": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, succeeded))
			b.LoseEnds([]string{"a", "unknown"})
			b.Observe(time.Time{}, view(t, succeeded))
			b.Observe(time.Now(), view(t, running))
			b.Observe(time.Time{}, view(t, `{"id":"a","status":"failed"}`))
			b.Observe(time.Now(), view(t, `{"id":"a","status":"failed"}`))
		}},
		"removed end, then two ends": {record: func(b *model.Model) {
			b.LoseEnds([]string{"a"})
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(time.Now().Add(time.Second), view(t, `{"id":"a","status":"failed"}`))
			b.Observe(time.Now().Add(time.Second), view(t, succeeded))
		}, violation: "ended twice"},
		"removed end that is back, then another": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, succeeded))
			b.LoseEnds([]string{"a"})
			b.Observe(time.Now().Add(time.Second), view(t, succeeded))
			b.Observe(time.Now().Add(time.Second), view(t, `{"id":"a","status":"failed"}`))
		}, violation: "ended twice"},
		"removed cancel": {record: func(b *model.Model) {
			b.Canceled(time.Now(), "a")
			b.LoseEnds([]string{"a"})
		}, violation: "cancel lost"},
		"removed cancel, late response": {record: func(b *model.Model) {
			requested := time.Now().Add(-time.Second)
			b.LoseEnds([]string{"a"})
			b.Canceled(requested, "a")
		}, violation: "cancel lost"},
		"cancel after a removed end": {record: func(b *model.Model) {
			b.LoseEnds([]string{"a"})
			b.Canceled(time.Now().Add(time.Second), "a")
		}},
		"removed mark of a deletion": {record: func(b *model.Model) {
			b.Canceled(time.Now(), "a")
			b.Deleting("a")
			b.LoseEnds([]string{"a"})
		}},
		"stale read": {record: func(b *model.Model) {
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(time.Now().Add(time.Second), view(t, running))
		}, staleReads: 1},
		"late response": {record: func(b *model.Model) {
			requested := time.Now().Add(-time.Second)
			b.Observe(time.Now(), view(t, succeeded))
			b.Observe(requested, view(t, running))
			b.Observe(time.Time{}, view(t, running))
		}},
		"missing": {record: func(b *model.Model) { b.NotFound(time.Now(), "a", "here") }, violation: "missing"},
		"missing once only": {record: func(b *model.Model) {
			b.NotFound(time.Now(), "a", "here")
			b.NotFound(time.Now(), "a", "there")
			b.Listed(time.Now(), "o", nil)
		}, violation: "here"},
		"not listed":             {record: func(b *model.Model) { b.Listed(time.Now(), "o", []string{"b"}) }, violation: "missing"},
		"listed twice":           {record: func(b *model.Model) { b.Listed(time.Now(), "o", []string{"a", "a"}) }, violation: "listed twice"},
		"read before accepted":   {record: func(b *model.Model) { b.NotFound(time.Now().Add(-time.Hour), "a", "here") }},
		"listed before accepted": {record: func(b *model.Model) { b.Listed(time.Now().Add(-time.Hour), "o", nil) }},
		"deleted": {record: func(b *model.Model) {
			b.Deleting("a")
			b.NotFound(time.Now(), "a", "here")
			b.Listed(time.Now(), "o", nil)
		}},
		"same key, same job":         {record: func(b *model.Model) { b.Accept(model.Job{ID: "a", Owner: "o", Key: "k", Name: "n"}) }},
		"same key, other job":        {record: func(b *model.Model) { b.Accept(model.Job{ID: "b", Owner: "o", Key: "k", Name: "n"}) }, violation: "two jobs"},
		"same job, other submission": {record: func(b *model.Model) { b.Accept(model.Job{ID: "a", Owner: "o", Name: "m"}) }, violation: "one job"},
	} {
		b := model.New()
		b.Accept(model.Job{ID: "a", Owner: "o", Key: "k", Name: "n"})
		c.record(b)
		violations := strings.Join(b.Violations(), "\n")
		if (violations == "") != (c.violation == "") || !strings.Contains(violations, c.violation) || len(b.Violations()) > 1 {
			t.Errorf("%s: %q, want %q", name, violations, c.violation)
		}
		if got := b.StaleReads(); got != c.staleReads {
			t.Errorf("%s: %d stale reads", name, got)
		}
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	b := model.New()
	b.Accept(model.Job{ID: "a", Owner: "o", Name: "n"})
	before, after := view(t, `{"id":"a","status":"succeeded","attempt":1}`), view(t, `{"id":"a","status":"succeeded","attempt":2}`)
	b.Observe(time.Now(), before)
	if !b.Current(before) {
		t.Error("a stored end is not current")
	}
	b.LoseEnds([]string{"a"})
	if b.Current(before) || b.TakenBack() != 1 {
		t.Errorf("a removed end is current, or %d are taken back", b.TakenBack())
	}
	b.Observe(time.Now().Add(time.Second), after)
	if b.Current(before) || !b.Current(after) {
		t.Error("the new end is not the current one")
	}
}

func TestParseRejectsInvalidJobs(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, `[]`, `{}`, `{"id":"a"}`, `{"status":"running"}`, `{"id":"a","status":"run`} {
		if v, err := model.Parse([]byte(data)); err == nil {
			t.Errorf("%s is parsed as %+v", data, v)
		}
	}
}
