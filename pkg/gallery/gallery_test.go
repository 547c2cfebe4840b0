package gallery_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var update = flag.Bool("update", false, "write the golden files anew")

func save(t testing.TB, g *gallery.Gallery, owner string, data []byte) gallery.Image {
	t.Helper()
	p, err := g.Save(t.Context(), owner, gallery.Image{Prompt: "a lighthouse"}, data)
	must(t, err)
	return p
}

// same fails the test unless the bytes of an image are want.
func same(t testing.TB, g *gallery.Gallery, owner, id string, want []byte) {
	t.Helper()
	p, data, err := g.Open(t.Context(), owner, id)
	if err != nil || !bytes.Equal(data, want) || p.Bytes != int64(len(want)) {
		t.Errorf("%s: %d bytes, want %d: %v", id, len(data), len(want), err)
	}
}

func ids(list []gallery.Image) []string {
	var ids []string
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	return ids
}

func today(t testing.TB, g *gallery.Gallery, owner string) []string {
	t.Helper()
	list, _, err := g.List(t.Context(), owner)
	must(t, err)
	return ids(list)
}

func TestSave(t *testing.T) {
	t.Parallel()
	g, now, b := open(t)
	large := pngOf(t, noise(700, 1))
	if len(large) < 2*512<<10 {
		t.Fatalf("%d bytes are not several chunks", len(large))
	}
	seed := int64(-7)
	asked := gallery.Image{
		Prompt: "灯塔", Optimized: "a lighthouse", Negative: "fog", Seed: &seed, Model: "flux", Width: 1, Height: 2, ContentType: "text/html", ID: "mine",
	}
	p, err := g.Save(t.Context(), "ann", asked, append(bytes.Clone(large), "<script>"...))
	must(t, err)
	if p.Width != 700 || p.Height != 700 || p.ContentType != "image/png" || p.Prompt != "灯塔" || p.Optimized != "a lighthouse" || p.Negative != "fog" ||
		*p.Seed != -7 || p.Model != "flux" || len(p.ID) < 26 || !p.CreatedAt.Equal(now.Now()) || !p.ExpiresAt.Equal(now.Now().Add(24*time.Hour)) {
		t.Errorf("saved %+v", p)
	}
	same(t, g, "ann", p.ID, large)
	if info, err := g.Info(t.Context(), "ann", p.ID); err != nil || info.SHA256 != p.SHA256 {
		t.Errorf("info %+v, %v", info, err)
	}
	for _, owner := range []string{"bob", "an"} {
		if _, _, err := g.Open(t.Context(), owner, p.ID); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("%s can read it: %v", owner, err)
		}
		if err := g.Remove(t.Context(), owner, p.ID); !errors.Is(err, gallery.ErrNotFound) {
			t.Errorf("%s can remove it: %v", owner, err)
		}
	}
	must(t, g.Remove(t.Context(), "ann", p.ID))
	if err := g.Remove(t.Context(), "ann", p.ID); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("remove again: %v", err)
	}
	if _, _, err := g.Open(t.Context(), "ann", p.ID); !errors.Is(err, gallery.ErrNotFound) {
		t.Errorf("open after removal: %v", err)
	}
	if left := keys(t, b); len(left) > 1 {
		t.Errorf("left: %v", left)
	}
}

func TestFourthEvictsTheFirst(t *testing.T) {
	t.Parallel()
	g, now, b := open(t)
	var saved []gallery.Image
	var data [][]byte
	for i := range 5 {
		data = append(data, pngOf(t, noise(8, uint64(i))))
		saved = append(saved, save(t, g, "ann", data[i]))
		now.Advance(time.Minute)
	}
	if got, want := today(t, g, "ann"), []string{saved[2].ID, saved[3].ID, saved[4].ID}; !slices.Equal(got, want) {
		t.Errorf("saved images are %v, want %v", got, want)
	}
	for i, p := range saved {
		_, _, err := g.Open(t.Context(), "ann", p.ID)
		if pushed := i < 2; errors.Is(err, gallery.ErrNotFound) != pushed {
			t.Errorf("image %d: %v", i, err)
		}
	}
	// Three images of one chunk each, and the index.
	if left := keys(t, b); len(left) != 4 {
		t.Errorf("left: %v", left)
	}
}

// TestDays advances the clock beyond midnight until all images have expired.
func TestDays(t *testing.T) {
	t.Parallel()
	g, now, _ := open(t)
	var first []string
	for range 3 {
		first = append(first, save(t, g, "ann", pngOf(t, noise(8, 1))).ID)
	}
	now.Advance(11 * time.Hour)
	last := save(t, g, "ann", pngOf(t, noise(8, 2))).ID // 23:00, the fourth.
	now.Advance(time.Hour)
	list, earlier, err := g.List(t.Context(), "ann")
	must(t, err)
	if len(list) != 0 || !slices.Equal(ids(earlier), []string{first[1], first[2], last}) || g.Today() != "2026-03-05" {
		t.Errorf("at midnight: %v and %v on %s", ids(list), ids(earlier), g.Today())
	}
	next := save(t, g, "ann", pngOf(t, noise(8, 3))).ID
	same(t, g, "ann", last, pngOf(t, noise(8, 2)))
	for _, step := range []struct {
		after time.Duration
		left  []string
	}{
		{12*time.Hour - time.Millisecond, []string{next, first[1], first[2], last}},
		{time.Millisecond, []string{next, last}},
		{11 * time.Hour, []string{next}},
		{time.Hour, nil},
	} {
		now.Advance(step.after)
		list, earlier, err := g.List(t.Context(), "ann")
		must(t, err)
		if got := append(ids(list), ids(earlier)...); !slices.Equal(got, step.left) {
			t.Errorf("at %s: %v, want %v", now.Now(), got, step.left)
		}
		for _, id := range append([]string{last, next}, first...) {
			_, _, err := g.Open(t.Context(), "ann", id)
			if slices.Contains(step.left, id) {
				must(t, err)
				continue
			}
			if gone := g.Remove(t.Context(), "ann", id); !errors.Is(err, gallery.ErrNotFound) || !errors.Is(gone, gallery.ErrNotFound) {
				t.Errorf("at %s %s: open %v, remove %v", now.Now(), id, err, gone)
			}
		}
	}
}

// TestRemoveOfYesterday removes an image on the day after it was saved.
func TestRemoveOfYesterday(t *testing.T) {
	t.Parallel()
	g, now, _ := open(t)
	id := save(t, g, "ann", pngOf(t, noise(8, 1))).ID
	now.Advance(13 * time.Hour)
	must(t, g.Remove(t.Context(), "ann", id))
	if _, earlier, err := g.List(t.Context(), "ann"); err != nil || len(earlier) != 0 {
		t.Errorf("left %v, %v", earlier, err)
	}
}

// TestConcurrentSaves saves images of one member concurrently through several galleries.
func TestConcurrentSaves(t *testing.T) {
	t.Parallel()
	for _, saves := range []int{3, 24} {
		t.Run(fmt.Sprint(saves), func(t *testing.T) {
			t.Parallel()
			b := brokertest.Start(t)
			time := noon()
			var wg sync.WaitGroup
			var mu sync.Mutex
			answered := map[string][]byte{}
			var ready sync.WaitGroup
			ready.Add(saves)
			together := func(s gallery.Step) error {
				if s == gallery.StepBytes {
					ready.Done()
					ready.Wait()
				}
				return nil
			}
			for i := range saves {
				data := pngOf(t, noise(8, uint64(i)))
				g, err := gallery.New(t.Context(), b, gallery.WithClock(time.Now), gallery.After(together))
				must(t, err)
				wg.Go(func() {
					p, err := g.Save(t.Context(), "ann", gallery.Image{Prompt: "a"}, data)
					if err != nil {
						t.Errorf("save %d: %v", i, err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					answered[p.ID] = data
				})
			}
			wg.Wait()
			g, err := gallery.New(t.Context(), b, gallery.WithClock(time.Now))
			must(t, err)
			left := today(t, g, "ann")
			if len(left) != gallery.MaxImages || len(answered) != saves {
				t.Fatalf("%d are left of %d", len(left), len(answered))
			}
			for _, id := range left {
				same(t, g, "ann", id, answered[id])
			}
			if k := keys(t, b); len(k) != 1+gallery.MaxImages {
				t.Errorf("unreferenced bytes: %v", k)
			}
		})
	}
}

// TestSameSource saves the image of one job concurrently.
func TestSameSource(t *testing.T) {
	t.Parallel()
	g, now, b := open(t)
	data := pngOf(t, noise(8, 1))
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			p, err := g.Save(t.Context(), "ann", gallery.Image{Prompt: "a", Source: "job.0"}, data)
			if err != nil {
				t.Error(err)
			}
			got[i] = p.ID
		})
	}
	wg.Wait()
	now.Advance(13 * time.Hour)
	p, err := g.Save(t.Context(), "ann", gallery.Image{Source: "job.0"}, data)
	must(t, err)
	if slices.Sort(got); got[0] != got[len(got)-1] || p.ID != got[0] || len(keys(t, b)) != 2 {
		t.Errorf("saved %v and %s, keys %v", got, p.ID, keys(t, b))
	}
	if p, err = g.Save(t.Context(), "ann", gallery.Image{Source: "job.1"}, data); err != nil || p.ID == got[0] {
		t.Errorf("another: %+v, %v", p, err)
	}
}

// TestCrashes aborts saving and removing after each write, as a crash would.
func TestCrashes(t *testing.T) {
	t.Parallel()
	crash := errors.New("crash")
	for _, at := range []gallery.Step{gallery.StepBytes, gallery.StepIndex, gallery.StepDrop} {
		t.Run(string(at), func(t *testing.T) {
			t.Parallel()
			b, now := brokertest.Start(t), noon()
			sound, err := gallery.New(t.Context(), b, gallery.WithClock(now.Now))
			must(t, err)
			var there [][]byte
			for i := range 3 {
				there = append(there, pngOf(t, noise(8, uint64(i))))
				save(t, sound, "ann", there[i])
			}
			g, err := gallery.New(t.Context(), b, gallery.WithClock(now.Now), gallery.After(func(s gallery.Step) error {
				if s == at {
					return crash
				}
				return nil
			}))
			must(t, err)
			_, err = g.Save(t.Context(), "ann", gallery.Image{Prompt: "a"}, pngOf(t, noise(8, 9)))
			if stops := at != gallery.StepDrop; errors.Is(err, crash) != stops {
				t.Errorf("save: %v", err)
			}
			left := today(t, sound, "ann")
			if len(left) != 3 {
				t.Errorf("%d are left", len(left))
			}
			for _, id := range left {
				if _, _, err := sound.Open(t.Context(), "ann", id); err != nil {
					t.Errorf("open: %v", err)
				}
			}
			// An interrupted removal can be repeated.
			if err := g.Remove(t.Context(), "ann", left[0]); err != nil && !errors.Is(err, crash) {
				t.Errorf("remove: %v", err)
			}
			if err := sound.Remove(t.Context(), "ann", left[0]); !errors.Is(err, gallery.ErrNotFound) {
				t.Errorf("remove again: %v", err)
			}
			p := save(t, sound, "ann", there[0])
			same(t, sound, "ann", p.ID, there[0])
			must(t, sound.Erase(t.Context(), "ann"))
			if k := keys(t, b); len(k) != 0 {
				t.Errorf("unreferenced bytes after Erase: %v", k)
			}
		})
	}
}

func TestErase(t *testing.T) {
	t.Parallel()
	g, _, b := open(t)
	for _, owner := range []string{"ann", "ann-b", "bob"} {
		save(t, g, owner, pngOf(t, noise(8, 1)))
	}
	for range 2 {
		must(t, g.Erase(t.Context(), "ann"))
	}
	if len(today(t, g, "ann")) != 0 || len(today(t, g, "ann-b")) != 1 || len(today(t, g, "bob")) != 1 {
		t.Error("the wrong images were erased")
	}
	for _, key := range keys(t, b) {
		if strings.HasPrefix(key, "ann.") {
			t.Errorf("%s was not erased", key)
		}
	}
	save(t, g, "ann", pngOf(t, noise(8, 1)))
}

// TestFullStore leaves no room for another image.
func TestFullStore(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, func(c *broker.Config) { c.MaxStoreMB = 4 })
	g, err := gallery.New(t.Context(), b)
	must(t, err)
	data := pngOf(t, noise(700, 1))
	for i := range 20 {
		if _, err = g.Save(t.Context(), fmt.Sprintf("member-%d", i), gallery.Image{}, data); err != nil {
			break
		}
	}
	if !errors.Is(err, gallery.ErrFull) {
		t.Fatalf("save in a full store: %v", err)
	}
	// The stored part was removed, so that there is room for a smaller image.
	save(t, g, "small", pngOf(t, noise(8, 1)))
}

// TestStoredFormat compares a stored index with a golden file.
func TestStoredFormat(t *testing.T) {
	t.Parallel()
	g, _, b := open(t)
	seed := int64(7)
	p, err := g.Save(t.Context(), "ann", gallery.Image{Prompt: "a", Optimized: "b", Negative: "c", Seed: &seed, Model: "flux", Source: "job.0"}, pngOf(t, noise(8, 1)))
	must(t, err)
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.ImagesStream, broker.ImagesSubject("ann", "2026-03-04"))
	must(t, err)
	if msg.Header.Get("Nats-TTL") != "24h0m0s" {
		t.Errorf("TTL %q", msg.Header.Get("Nats-TTL"))
	}
	var key string
	for _, k := range keys(t, b) {
		if parts := strings.Split(k, "."); len(parts) == 4 {
			key = parts[2]
		}
	}
	got := strings.NewReplacer(p.ID, "ID", key, "KEY").Replace(string(msg.Data)) + "\n"
	golden := filepath.Join("testdata", "index.json")
	if *update {
		must(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if got != string(want) {
		t.Errorf("stored %s, want %s", got, want)
	}
	for data, fault := range map[string]string{
		`{"v":2}`: "newer", `{}`: "no version", `x`: "malformed", `{"v":1,"pictures":[{}]}`: "incomplete", string(want): "", `{"v":1}`: "",
	} {
		_, err := b.JetStream().Publish(t.Context(), broker.ImagesSubject("bob", "2026-03-04"), []byte(data))
		must(t, err)
		_, _, err = g.List(t.Context(), "bob")
		if (err == nil) != (fault == "") || (err != nil && !strings.Contains(err.Error(), fault)) || errors.Is(err, job.ErrNewer) != (fault == "newer") {
			t.Errorf("%s: %v", data, err)
		}
	}
}

// TestSaveCompletesAfterCancel cancels the context as soon as bytes were written.
func TestSaveCompletesAfterCancel(t *testing.T) {
	t.Parallel()
	_, now, b := open(t)
	ctx, hangUp := context.WithCancel(t.Context())
	g, err := gallery.New(t.Context(), b, gallery.WithClock(now.Now), gallery.After(func(gallery.Step) error {
		hangUp()
		return nil
	}))
	must(t, err)
	for n := range gallery.MaxImages + 1 {
		if _, err := g.Save(ctx, "ann", gallery.Image{Prompt: "a"}, pngOf(t, noise(8, uint64(n)))); (err == nil) != (n == 0) {
			t.Errorf("save %d: %v", n, err)
		}
	}
	if k := keys(t, b); len(today(t, g, "ann")) != 1 || len(k) != 2 {
		t.Errorf("stored keys: %v", k)
	}
}
