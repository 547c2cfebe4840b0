package claims_test

import (
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
)

func view(t *testing.T, data string) *claims.View {
	t.Helper()
	v, err := claims.Read([]byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestClaims(t *testing.T) {
	t.Parallel()
	running := `{"id":"a","status":"running"}`
	succeeded := `{"id":"a","status":"succeeded","finished_at":"1","result":{"media":[{"index":0,"sha256":"x"}]}}`
	for name, c := range map[string]struct {
		act func(*claims.Book)
		// fault is in the one violation; nothing means that there is none.
		fault    string
		backward int
	}{
		"a quiet life": {act: func(b *claims.Book) {
			b.See(time.Now(), view(t, running))
			b.See(time.Now(), view(t, succeeded))
			b.See(time.Now(), view(t, succeeded))
			b.Listed(time.Now(), "o", []string{"a"})
			b.Listed(time.Now(), "somebody else", nil)
		}},
		"another end": {act: func(b *claims.Book) {
			b.See(time.Now(), view(t, succeeded))
			b.See(time.Now(), view(t, `{"id":"a","status":"canceled"}`))
			b.See(time.Now(), view(t, `{"id":"a","status":"canceled"}`))
		}, fault: "ended twice"},
		"the same end at another time": {act: func(b *claims.Book) {
			b.See(time.Now(), view(t, succeeded))
			b.See(time.Now(), view(t, strings.Replace(succeeded, `"1"`, `"2"`, 1)))
		}, fault: "ended twice"},
		"another picture": {act: func(b *claims.Book) {
			b.See(time.Now(), view(t, succeeded))
			b.See(time.Now(), view(t, strings.Replace(succeeded, `"x"`, `"y"`, 1)))
		}, fault: "ended twice"},
		"going on after the end": {act: func(b *claims.Book) {
			b.See(time.Now(), view(t, succeeded))
			b.See(time.Now().Add(time.Second), view(t, running))
		}, backward: 1},
		"an old answer that comes late": {act: func(b *claims.Book) {
			asked := time.Now().Add(-time.Second)
			b.See(time.Now(), view(t, succeeded))
			b.See(asked, view(t, running))
			b.See(time.Time{}, view(t, running))
		}},
		"gone": {act: func(b *claims.Book) { b.Miss(time.Now(), "a", "here") }, fault: "missing"},
		"gone for good": {act: func(b *claims.Book) {
			b.Miss(time.Now(), "a", "here")
			b.Miss(time.Now(), "a", "there")
			b.Listed(time.Now(), "o", nil)
		}, fault: "here"},
		"not listed":       {act: func(b *claims.Book) { b.Listed(time.Now(), "o", []string{"b"}) }, fault: "missing"},
		"listed twice":     {act: func(b *claims.Book) { b.Listed(time.Now(), "o", []string{"a", "a"}) }, fault: "listed twice"},
		"asked too early":  {act: func(b *claims.Book) { b.Miss(time.Now().Add(-time.Hour), "a", "here") }},
		"listed too early": {act: func(b *claims.Book) { b.Listed(time.Now().Add(-time.Hour), "o", nil) }},
		"deleted": {act: func(b *claims.Book) {
			b.Deleting("a")
			b.Miss(time.Now(), "a", "here")
			b.Listed(time.Now(), "o", nil)
		}},
		"a key again": {act: func(b *claims.Book) { b.Accept(claims.Job{ID: "a", Owner: "o", Key: "k", Name: "n"}) }},
		"a key twice": {act: func(b *claims.Book) { b.Accept(claims.Job{ID: "b", Owner: "o", Key: "k", Name: "n"}) }, fault: "two jobs"},
		"an id twice": {act: func(b *claims.Book) { b.Accept(claims.Job{ID: "a", Owner: "o", Name: "m"}) }, fault: "one job"},
	} {
		b := claims.NewBook()
		b.Accept(claims.Job{ID: "a", Owner: "o", Key: "k", Name: "n"})
		c.act(b)
		faults := strings.Join(b.Faults(), "\n")
		if (faults == "") != (c.fault == "") || !strings.Contains(faults, c.fault) || len(b.Faults()) > 1 {
			t.Errorf("%s: %q, want %q", name, faults, c.fault)
		}
		if got := b.Backward(); got != c.backward {
			t.Errorf("%s: %d steps backward", name, got)
		}
	}
}

func TestReadRefusesWhatIsNoJob(t *testing.T) {
	t.Parallel()
	for _, data := range []string{``, `[]`, `{}`, `{"id":"a"}`, `{"status":"running"}`, `{"id":"a","status":"run`} {
		if v, err := claims.Read([]byte(data)); err == nil {
			t.Errorf("%s is read as %+v", data, v)
		}
	}
}
