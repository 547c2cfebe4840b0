package server_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
)

// TestImagesAreEvictedAndExpire saves more images than are kept, also concurrently, and moves the clock to the next day and
// past the expiry.
func TestImagesAreEvictedAndExpire(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Now().UTC().Truncate(24 * time.Hour).Add(12 * time.Hour)
	move := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	b := setup(t, func(_ *server.Config, deps *server.Deps) {
		images, err := gallery.New(t.Context(), deps.Broker, gallery.WithClock(func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}))
		must(t, err)
		deps.Gallery = images
	})
	ann := b.newMember(t, annEmail)
	first := b.saveImage(t, jpegImage(t, 8), ann).ID
	var wg sync.WaitGroup
	for range 3 * gallery.MaxImages {
		wg.Go(func() { b.saveImage(t, jpegImage(t, 16), ann) })
	}
	wg.Wait()
	d := b.daily(t, ann)
	if d.Count != 3 || slices.ContainsFunc(d.Images, func(i savedImage) bool { return i.ID == first }) {
		t.Errorf("left: %+v", d)
	}
	b.get(t, imagesRoute+first, ann).accountError(t, http.StatusNotFound, "image_not_found")
	for _, i := range d.Images {
		if resp := b.get(t, imagesRoute+"download/"+i.ID, ann).expect(t, http.StatusOK); !bytes.Equal(resp.body, jpegImage(t, 16)) {
			t.Errorf("%s: %d bytes", i.ID, len(resp.body))
		}
	}
	move(12 * time.Hour)
	next := b.daily(t, ann)
	if next.Count != 0 || len(next.Earlier) != 3 {
		t.Errorf("on the next day: %+v", next)
	}
	stats := b.get(t, imagesRoute+"stats", ann)
	if !strings.Contains(string(stats.body), `"remainingImages":3`) || !strings.Contains(string(stats.body), now.Format(time.DateOnly)) {
		t.Errorf("stats: %s", stats.body)
	}
	b.get(t, imagesRoute+d.Images[0].ID, ann).expect(t, http.StatusOK)
	move(12 * time.Hour)
	for _, i := range d.Images {
		b.get(t, imagesRoute+i.ID, ann).accountError(t, http.StatusNotFound, "image_not_found")
		b.get(t, imagesRoute+"download/"+i.ID, ann).accountError(t, http.StatusNotFound, "image_not_found")
		b.delete(t, imagesRoute+i.ID, ann).accountError(t, http.StatusBadRequest, "image_not_found")
	}
	if end := b.daily(t, ann); end.Count+len(end.Earlier) != 0 {
		t.Errorf("after expiry: %+v", end)
	}
}

// TestImageAccess requests every route of saved images as every caller.
func TestImageAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, callers := b.callers(t)
	id := b.saveImage(t, jpegImage(t, 8), bearer(ann.Token)).ID
	routes := []struct {
		method, path string
		// owner and others are the statuses for Ann and for Bob.
		owner, others int
	}{
		{http.MethodPost, "save", 201, 201},
		{http.MethodGet, "daily", 200, 200},
		{http.MethodHead, "daily", 200, 200},
		{http.MethodGet, "stats", 200, 200},
		{http.MethodGet, id, 200, 404},
		{http.MethodHead, id, 200, 404},
		{http.MethodGet, "download/" + id, 200, 404},
		{http.MethodHead, "download/" + id, 200, 404},
		{http.MethodDelete, id, 200, 400},
	}
	check := func(name, method, path string, who option, want int) {
		t.Helper()
		var body any
		if method == http.MethodPost {
			body = saveBody(jpegImage(t, 8))
		}
		resp := b.request(t, method, imagesRoute+path, body, who)
		if resp.StatusCode != want {
			t.Errorf("%s: %s %s is %d, want %d: %.200s", name, method, path, resp.StatusCode, want, resp.body)
		}
		if want >= 400 && strings.Contains(string(resp.body), "canary") {
			t.Errorf("%s: %s %s reveals %s", name, method, path, resp.body)
		}
	}
	for _, r := range routes {
		for name, who := range callers {
			switch {
			case who.isOwner:
			case who.invalid, name == "guest", name == "anonymous":
				check(name, r.method, r.path, who.option, http.StatusUnauthorized)
			default:
				check(name, r.method, r.path, who.option, r.others)
			}
		}
	}
	for _, r := range routes {
		if r.path == "save" {
			continue // It would evict the image of the next requests.
		}
		who := cookie(ann.cookie)
		if r.method == http.MethodGet {
			who = bearer(ann.Token)
		}
		check("Ann", r.method, r.path, who, r.owner)
	}
	if d := b.daily(t, bearer(ann.Token)); d.Count != 0 {
		t.Errorf("Ann has %+v", d)
	}
	b.post(t, imagesRoute+"save", saveBody(jpegImage(t, 8)), cookie(ann.cookie), header("Sec-Fetch-Site", "cross-site")).accountError(t, http.StatusForbidden, "cross_origin")
}

// TestSaveRateLimit checks how often one member may save.
func TestSaveRateLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann, bob := b.newMember(t, annEmail), b.newMember(t, "bob@example.org")
	for n := 0; ; n++ {
		resp := b.post(t, imagesRoute+"save", fields{}, ann)
		if resp.StatusCode == http.StatusTooManyRequests {
			if f := resp.accountError(t, http.StatusTooManyRequests, "too_many_attempts"); f.RetryAfter == 0 || n != 100 {
				t.Errorf("after %d: %+v", n, f)
			}
			break
		}
		resp.accountError(t, http.StatusBadRequest, "invalid_request")
	}
	b.saveImage(t, jpegImage(t, 8), bob)
}

// TestFullImageStore saves until NATS has no space left.
func TestFullImageStore(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *server.Config, deps *server.Deps) {
		images, err := gallery.New(t.Context(), brokertest.Start(t, func(c *broker.Config) { c.MaxStoreMB = 4 }))
		must(t, err)
		deps.Gallery = images
	})
	large := saveBody(largePNG(t))
	for n := range 20 {
		who := b.newMember(t, fmt.Sprintf("member%d@example.org", n))
		resp := b.post(t, imagesRoute+"save", large, who)
		if resp.StatusCode == http.StatusCreated {
			continue
		}
		if resp.accountError(t, http.StatusServiceUnavailable, "store_full"); resp.Header.Get("Retry-After") == "" {
			t.Errorf("headers %v", resp.Header)
		}
		return
	}
	t.Error("the store never filled up")
}
