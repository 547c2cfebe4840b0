package migrate_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	stdimage "image"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/migrate"
)

// image returns an image in the format of the old system.
func image(id string, created time.Time, data []byte) fields {
	return fields{
		"id": id, "prompt": "canary " + id, "data": base64.StdEncoding.EncodeToString(data), "width": 1, "height": 1, "seed": 42, "model": "flux",
		"negative": "fog", "created_at": job.At(created).String(), "size": len(data), "quality": "HD",
	}
}

// imageOwners returns the owners of all accounts.
func imageOwners() map[string]string {
	return map[string]string{"ann": "o-ann", "bob": "o-bob", "a": "fuzz"}
}

func TestImages(t *testing.T) {
	t.Parallel()
	g, now, b := openGallery(t)
	at := now.Now()
	data := jpegOf(t, noise(30))
	large := pngOf(t, noise(700))
	entries := []fields{
		exported(t, "name", "hd_images:ann:2026-03-04", []any{
			image("one", at.Add(-3*time.Hour), data), image("two", at.Add(-2*time.Hour), large),
		}, false),
		exported(t, "key", "hd_images:ann:2026-03-03", []any{
			image("old", at.Add(-24*time.Hour), data), image("late", at.Add(-24*time.Hour+time.Minute), data), image("daily", at.Add(-13*time.Hour), data),
		}, true),
		exported(t, "name", "feedback_x", "canary", false),
		exported(t, "name", "hd_images:", []any{}, false),
		exported(t, "name", "hd_images:bob:2026-03-04", "canary", false),
		exported(t, "name", "hd_images:bob:2026-03-04", []any{
			"canary",
			fields{"id": "canary"},
			image("canary", at.Add(time.Hour), data), image("svg", at, []byte("<svg>canary")),
			fields{"created_at": job.At(at).String(), "data": "canary!"},
			image("big", at, make([]byte, gallery.MaxBytes+1)),
			fields{"created_at": job.At(at).String(), "prompt": strings.Repeat("x", 4001)},
			image("bomb", at, bomb(t)),
		}, false),
		exported(t, "name", "hd_images:canary:2026-03-04", []any{image("one", at, data)}, false),
	}
	var reasons []string
	for round, want := range []migrate.Result{{Imported: 4, Expired: 1, Foreign: 1}, {Kept: 4, Expired: 1, Foreign: 1}} {
		done, err := migrate.Images(t.Context(), g, export(t, entries...), imageOwners(), now.Now)
		must(t, err)
		reasons = nil
		for _, s := range done.Skipped {
			reasons = append(reasons, fmt.Sprintf("%d.%d %s", s.Entry, s.Image, s.Reason))
		}
		if done.Imported != want.Imported || done.Kept != want.Kept || done.Expired != want.Expired || done.Foreign != want.Foreign {
			t.Errorf("round %d: %+v", round, done)
		}
	}
	if want := []string{
		"4.0 its key is not that of images", "5.0 its value is not a JSON array", "6.1 it is not the JSON of an image", "6.2 it has no time",
		"6.3 its time is in the future", "6.4 not a PNG, JPEG or WebP image", "6.5 the data is not base64", "6.6 the image is too large",
		"6.7 a text field is too long", "6.8 the image has too many pixels",
		"7.0 its user has no account here",
	}; !slices.Equal(reasons, want) {
		t.Errorf("skipped %q", reasons)
	}
	todays, earlier, err := g.List(t.Context(), "o-ann")
	must(t, err)
	if got := ids(todays); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("today %v", got)
	}
	if len(earlier) != 2 || earlier[0].ID != "late" || !strings.HasPrefix(earlier[1].ID, "i-") {
		t.Fatalf("earlier %+v", earlier)
	}
	p := todays[0]
	if p.Prompt != "canary one" || p.Negative != "fog" || *p.Seed != 42 || p.Model != "flux" || p.Width != 30 || p.ContentType != "image/jpeg" ||
		!p.CreatedAt.Equal(at.Add(-3*time.Hour)) || !p.ExpiresAt.Equal(at.Add(21*time.Hour)) {
		t.Errorf("imported %+v", p)
	}
	if _, data, err := g.Open(t.Context(), "o-ann", "two"); err != nil || !bytes.Equal(data, large) {
		t.Errorf("two: %d bytes, want %d: %v", len(data), len(large), err)
	}
	// Neither a removed image nor an evicted one is restored.
	must(t, g.Remove(t.Context(), "o-ann", "one"))
	for range 3 {
		save(t, g, "o-ann", data)
	}
	before := keys(t, b)
	done, err := migrate.Images(t.Context(), g, export(t, entries[0]), imageOwners(), now.Now)
	if err != nil || done.Imported != 0 || done.Kept != 2 || len(keys(t, b)) != len(before) {
		t.Errorf("imported again: %+v, %v", done, err)
	}
	now.Advance(2 * time.Minute)
	if _, earlier, _ := g.List(t.Context(), "o-ann"); slices.Contains(ids(earlier), "late") {
		t.Error("an image exists after 24 hours")
	}
}

// TestImagesKeepTheLatest imports more than MaxImages images of a day.
func TestImagesKeepTheLatest(t *testing.T) {
	t.Parallel()
	g, now, b := openGallery(t)
	var images []any
	for _, n := range []int{3, 1, 5, 2, 4} {
		images = append(images, image(fmt.Sprint("p", n), now.Now().Add(time.Duration(n-6)*time.Minute), pngOf(t, noise(8))))
	}
	mine := save(t, g, "o-ann", pngOf(t, noise(8))).ID
	done, err := migrate.Images(t.Context(), g, export(t, exported(t, "name", "hd_images:ann:2026-03-04", images, false)), imageOwners(), now.Now)
	must(t, err)
	if got := today(t, g, "o-ann"); !slices.Equal(got, []string{"p4", "p5", mine}) || len(done.Skipped) == 0 || len(keys(t, b)) != 4 {
		t.Errorf("saved images are %v, result %+v, keys %v", got, done, keys(t, b))
	}
}

func TestImagesOfMalformedExports(t *testing.T) {
	t.Parallel()
	g, now, _ := openGallery(t)
	for text, fault := range map[string]string{
		"": "not a JSON array", "{}": "not a JSON array", "[1]": "entry 1", "[": "truncated", `[{"name":"x"},{"canary`: "entry 2",
	} {
		_, err := migrate.Images(t.Context(), g, strings.NewReader(text), imageOwners(), now.Now)
		if err == nil || !strings.Contains(err.Error(), fault) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzImages(f *testing.F) {
	g, now, _ := openGallery(f)
	f.Add(`[{"name":"hd_images:a:2026-03-04","value":"[{\"id\":\"x\",\"created_at\":\"2026-03-04T11:00:00Z\",\"data\":\"UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==\"}]"}]`)
	f.Add(`[{"key":"hd_images:a:b:c","value":[null,1,{"seed":"7"}]}]`)
	f.Fuzz(func(t *testing.T, text string) {
		done, err := migrate.Images(t.Context(), g, strings.NewReader(text), imageOwners(), now.Now)
		if err != nil && strings.HasPrefix(err.Error(), "import entry") {
			t.Fatal(err)
		}
		if today, _, err := g.List(t.Context(), "fuzz"); err != nil || len(today) > gallery.MaxImages {
			t.Fatalf("%d images, %v, %+v", len(today), err, done)
		}
	})
}

func save(t testing.TB, g *gallery.Gallery, owner string, data []byte) gallery.Image {
	t.Helper()
	p, err := g.Save(t.Context(), owner, gallery.Image{Prompt: "a lighthouse"}, data)
	must(t, err)
	return p
}

func today(t testing.TB, g *gallery.Gallery, owner string) []string {
	t.Helper()
	list, _, err := g.List(t.Context(), owner)
	must(t, err)
	return ids(list)
}

func ids(list []gallery.Image) []string {
	var ids []string
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

// keys returns the keys of all messages with data.
func keys(t testing.TB, b *broker.Broker) (list []string) {
	t.Helper()
	kv, err := b.JetStream().KeyValue(t.Context(), broker.BucketImages)
	must(t, err)
	lister, err := kv.ListKeys(t.Context())
	must(t, err)
	for key := range lister.Keys() {
		list = append(list, key)
	}
	return list
}

// noise returns an image that does not compress well.
func noise(side int) stdimage.Image {
	m := stdimage.NewRGBA(stdimage.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.Pix[i] = byte(rand.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

func pngOf(t testing.TB, m stdimage.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, m))
	return b.Bytes()
}

func jpegOf(t testing.TB, m stdimage.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

// bomb returns a PNG of a few bytes whose header states a huge size.
func bomb(t testing.TB) []byte {
	t.Helper()
	data := pngOf(t, stdimage.NewGray(stdimage.Rect(0, 0, 1, 1)))
	binary.BigEndian.PutUint32(data[16:], 1<<20)
	binary.BigEndian.PutUint32(data[20:], 1<<20)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}
