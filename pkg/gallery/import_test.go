package gallery_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

type fields map[string]any

// exported is a picture as the system before stored it.
func exported(id string, created time.Time, data []byte) fields {
	return fields{
		"id": id, "prompt": "canary " + id, "data": base64.StdEncoding.EncodeToString(data), "width": 1, "height": 1, "seed": 42, "model": "flux",
		"negative": "fog", "created_at": job.At(created).String(), "size": len(data), "quality": "HD",
	}
}

// entry is an entry of an export; the value is a text, or with bare the JSON itself.
func entry(t testing.TB, name, key string, value any, bare bool) fields {
	t.Helper()
	if bare {
		return fields{name: key, "value": value}
	}
	text, err := json.Marshal(value)
	must(t, err)
	return fields{name: key, "value": string(text)}
}

func export(t testing.TB, entries ...fields) *strings.Reader {
	t.Helper()
	b, err := json.Marshal(entries)
	must(t, err)
	return strings.NewReader(string(b))
}

// owners are the accounts that there are.
func owners() map[string]string {
	return map[string]string{"ann": "o-ann", "bob": "o-bob", "a": "fuzz"}
}

func TestImport(t *testing.T) {
	t.Parallel()
	g, now, b := open(t)
	at := now.Now()
	data := jpegOf(t, noise(30, 1))
	large := pngOf(t, noise(700, 1))
	entries := []fields{
		entry(t, "name", "hd_images:ann:2026-03-04", []any{
			exported("one", at.Add(-3*time.Hour), data), exported("two", at.Add(-2*time.Hour), large),
		}, false),
		entry(t, "key", "hd_images:ann:2026-03-03", []any{
			exported("old", at.Add(-24*time.Hour), data), exported("late", at.Add(-24*time.Hour+time.Minute), data), exported("daily", at.Add(-13*time.Hour), data),
		}, true),
		entry(t, "name", "feedback_x", "canary", false),
		entry(t, "name", "hd_images:", []any{}, false),
		entry(t, "name", "hd_images:bob:2026-03-04", "canary", false),
		entry(t, "name", "hd_images:bob:2026-03-04", []any{
			"canary",
			fields{"id": "canary"},
			exported("canary", at.Add(time.Hour), data), exported("svg", at, []byte("<svg>canary")),
			fields{"created_at": job.At(at).String(), "data": "canary!"},
			exported("big", at, make([]byte, gallery.MaxBytes+1)),
			fields{"created_at": job.At(at).String(), "prompt": strings.Repeat("x", 4001)},
			exported("bomb", at, pngSized(t, 1<<20, 1<<20)),
		}, false),
		entry(t, "name", "hd_images:canary:2026-03-04", []any{exported("one", at, data)}, false),
	}
	var reasons []string
	for round, want := range []gallery.Import{{Imported: 4, Expired: 1, Foreign: 1}, {Kept: 4, Expired: 1, Foreign: 1}} {
		done, err := g.Import(t.Context(), export(t, entries...), owners())
		must(t, err)
		reasons = nil
		for _, s := range done.Skipped {
			reasons = append(reasons, fmt.Sprintf("%d.%d %s", s.Entry, s.Picture, s.Reason))
		}
		if done.Imported != want.Imported || done.Kept != want.Kept || done.Expired != want.Expired || done.Foreign != want.Foreign {
			t.Errorf("round %d: %+v", round, done)
		}
	}
	if want := []string{
		"4.0 its key names no member and day", "5.0 its value is no JSON array", "6.1 it is not the JSON of a picture", "6.2 it has no time",
		"6.3 its time has not come yet", "6.4 not a picture of a known type", "6.5 the data is not base64", "6.6 the picture is too large",
		"6.7 its words are too long", "6.8 the picture has too many pixels",
		"7.0 its user has no account here",
	}; !slices.Equal(reasons, want) {
		t.Errorf("skipped %q", reasons)
	}
	today, earlier, err := g.List(t.Context(), "o-ann")
	must(t, err)
	if got := ids(today); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("today %v", got)
	}
	if len(earlier) != 2 || earlier[0].ID != "late" || !strings.HasPrefix(earlier[1].ID, "i-") {
		t.Fatalf("earlier %+v", earlier)
	}
	p := today[0]
	if p.Prompt != "canary one" || p.Negative != "fog" || *p.Seed != 42 || p.Model != "flux" || p.Width != 30 || p.ContentType != "image/jpeg" ||
		!p.CreatedAt.Equal(at.Add(-3*time.Hour)) || !p.ExpiresAt.Equal(at.Add(21*time.Hour)) {
		t.Errorf("imported %+v", p)
	}
	same(t, g, "o-ann", "two", large)
	// A picture that its owner has removed is not brought back, nor is one that was pushed out.
	must(t, g.Remove(t.Context(), "o-ann", "one"))
	for range 3 {
		save(t, g, "o-ann", data)
	}
	before := keys(t, b)
	done, err := g.Import(t.Context(), export(t, entries[0]), owners())
	if err != nil || done.Imported != 0 || done.Kept != 2 || len(keys(t, b)) != len(before) {
		t.Errorf("once more %+v, %v", done, err)
	}
	now.advance(2 * time.Minute)
	if _, earlier, _ := g.List(t.Context(), "o-ann"); slices.Contains(ids(earlier), "late") {
		t.Error("it outlives its 24 hours")
	}
}

// TestImportKeepsTheLatest brings more of a day than anybody may have.
func TestImportKeepsTheLatest(t *testing.T) {
	t.Parallel()
	g, now, b := open(t)
	var pictures []any
	for _, n := range []int{3, 1, 5, 2, 4} {
		pictures = append(pictures, exported(fmt.Sprint("p", n), now.Now().Add(time.Duration(n-6)*time.Minute), pngOf(t, noise(8, 1))))
	}
	mine := save(t, g, "o-ann", pngOf(t, noise(8, 2))).ID
	done, err := g.Import(t.Context(), export(t, entry(t, "name", "hd_images:ann:2026-03-04", pictures, false)), owners())
	must(t, err)
	if got := today(t, g, "o-ann"); !slices.Equal(got, []string{"p4", "p5", mine}) || len(done.Skipped) == 0 || len(keys(t, b)) != 4 {
		t.Errorf("there are %v, done %+v, keys %v", got, done, keys(t, b))
	}
}

// TestNATSForgets waits for the end of a picture that came with a second left.
func TestNATSForgets(t *testing.T) {
	t.Parallel()
	// The gallery's clock stands still, and NATS goes by its own.
	g, now, b := open(t)
	created := now.Now().Add(-gallery.Age + time.Second)
	done, err := g.Import(t.Context(), export(t, entry(t, "name", "hd_images:ann:x", []any{exported("one", created, pngOf(t, noise(700, 1)))}, false)), owners())
	if err != nil || done.Imported != 1 || today(t, g, "o-ann") != nil {
		t.Fatalf("%+v, %v", done, err)
	}
	deadline := time.NewTimer(hang)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for len(keys(t, b)) > 0 {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("still there: %v", keys(t, b))
		}
	}
	// The mark of what has expired stands in nobody's way.
	save(t, g, "o-ann", pngOf(t, noise(8, 1)))
}

func TestImportFailsOnWhatIsNoExport(t *testing.T) {
	t.Parallel()
	g, _, _ := open(t)
	for text, fault := range map[string]string{
		"": "no JSON array", "{}": "no JSON array", "[1]": "entry 1", "[": "in the middle", `[{"name":"x"},{"canary`: "entry 2",
	} {
		_, err := g.Import(t.Context(), strings.NewReader(text), owners())
		if err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	b := brokertest.Start(f)
	now := noon()
	g, err := gallery.New(f.Context(), b, gallery.WithClock(now.Now))
	must(f, err)
	f.Add(`[{"name":"hd_images:a:2026-03-04","value":"[{\"id\":\"x\",\"created_at\":\"2026-03-04T11:00:00Z\",\"data\":\"UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==\"}]"}]`)
	f.Add(`[{"key":"hd_images:a:b:c","value":[null,1,{"seed":"7"}]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		done, err := g.Import(t.Context(), strings.NewReader(text), owners())
		if err != nil && strings.HasPrefix(err.Error(), "import entry") {
			t.Fatal(err)
		}
		if today, _, err := g.List(t.Context(), "fuzz"); err != nil || len(today) > gallery.MaxPictures {
			t.Fatalf("%d pictures, %v, %+v", len(today), err, done)
		}
	})
}
