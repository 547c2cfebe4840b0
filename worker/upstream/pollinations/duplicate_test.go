package pollinations_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

// imageOfSize returns a JPEG with this many bytes, by padding it before another end marker.
func imageOfSize(t *testing.T, bytes, width, height int) []byte {
	t.Helper()
	data := jpegOf(t, width, height)
	return append(append(data, make([]byte, bytes-len(data)-2)...), 0xff, 0xd9)
}

// A large image is an error image if another prompt got exactly the same bytes.
func TestErrorImageByRepetition(t *testing.T) {
	t.Parallel()
	type request = pollinations.ImageRequest
	stock, other, small := imageOfSize(t, 600_000, 60, 60), imageOfSize(t, 600_000, 61, 60), imageOfSize(t, 500_000, 60, 60)
	cat := request{Prompt: "cat", Model: "flux", Width: 100, Height: 50}
	with := func(change func(*request)) request {
		r := cat
		change(&r)
		return r
	}
	dog := with(func(r *request) { r.Prompt = "dog" })
	type step struct {
		request
		sent []byte
		bad  bool
	}
	rows := map[string][]step{
		"other prompt": {{cat, stock, false}, {dog, stock, true}},
		"other prompt, retried": {
			{cat, stock, false}, {dog, stock, true}, {dog, stock, true}, {dog, other, false},
		},
		"the same request, repeated":          {{cat, stock, false}, {cat, stock, false}, {cat, stock, false}},
		"the first request after another one": {{cat, stock, false}, {dog, stock, true}, {cat, stock, false}},
		"other negative prompt":               {{cat, stock, false}, {with(func(r *request) { r.Negative = "dogs" }), stock, true}},
		"another seed":                        {{cat, stock, false}, {with(func(r *request) { r.Seed = 9 }), stock, false}},
		"other images":                        {{cat, stock, false}, {dog, other, false}},
		"the requested size": {
			{cat, stock, false}, {with(func(r *request) { r.Prompt, r.Width, r.Height = "dog", 60, 60 }), stock, true},
		},
		"no requested size": {{cat, stock, false}, {with(func(r *request) { r.Prompt, r.Width, r.Height = "dog", 0, 0 }), stock, true}},
		"a small image":     {{cat, small, false}, {dog, small, false}, {cat, small, false}},
	}
	for name, steps := range rows {
		for _, style := range []string{pollinations.StyleGen, pollinations.StyleLegacy} {
			t.Run(name+" "+style, func(t *testing.T) {
				t.Parallel()
				var sent []byte
				client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
					respond(sent, "Content-Type", "image/jpeg")(w, r)
				}, asLegacy, func(c *pollinations.Config) { c.ImageStyle = style })
				for n, s := range steps {
					sent = s.sent
					_, err := client.Image(t.Context(), s.request)
					if !s.bad && err != nil {
						t.Errorf("step %d: %v", n, err)
					}
					if s.bad {
						upstreamtest.RequireError(t, err, fault.Retryable, job.CodeInvalidAnswer)
					}
				}
			})
		}
	}
}

// Only the latest images are remembered.
func TestErrorImageMemory(t *testing.T) {
	t.Parallel()
	body := imageOfSize(t, 600_000, 60, 60)
	numbered := func(n int) []byte { return append(bytes.Clone(body), fmt.Sprintf("%06d", n)...) }
	sent := 0
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		respond(numbered(sent), "Content-Type", "image/jpeg")(w, r)
	})
	for sent = range 300 {
		if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat", Width: 100, Height: 50}); err != nil {
			t.Fatal(err)
		}
	}
	sent = 299
	_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "dog", Width: 100, Height: 50})
	upstreamtest.RequireError(t, err, fault.Retryable, job.CodeInvalidAnswer)
	sent = 10
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "dog", Width: 100, Height: 50}); err != nil {
		t.Errorf("an image that is no longer remembered: %v", err)
	}
}

// The error image of the legacy service is detected by its size in bytes, even the first time and with the requested size.
func TestErrorImageBySize(t *testing.T) {
	t.Parallel()
	large := imageOfSize(t, 1_300_000, 120, 60)
	png := append(pngOf(t, 120, 60), make([]byte, 1_300_000)...)
	png = append(png, "IEND\xaeB`\x82"...)
	rows := []struct {
		name, style   string
		width, height int
		data          []byte
		bad           bool
	}{
		{"another shape", pollinations.StyleLegacy, 100, 100, large, true},
		{"fewer bytes", pollinations.StyleLegacy, 100, 100, imageOfSize(t, 1_240_000, 120, 60), false},
		{"more bytes", pollinations.StyleLegacy, 100, 100, imageOfSize(t, 1_360_000, 120, 60), false},
		{"the requested size", pollinations.StyleLegacy, 120, 60, large, true},
		{"no requested size", pollinations.StyleLegacy, 0, 0, large, true},
		{"many pixels", pollinations.StyleLegacy, 2049, 2048, imageOfSize(t, 1_300_000, 2049, 2048), false},
		{"another format", pollinations.StyleLegacy, 120, 60, png, false},
		{"at the gateway", pollinations.StyleGen, 100, 100, large, false},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			contentType := "image/jpeg"
			if r.data[0] == 0x89 {
				contentType = "image/png"
			}
			client := newClient(t, respond(r.data, "Content-Type", contentType), asLegacy, func(c *pollinations.Config) { c.ImageStyle = r.style })
			_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat", Width: r.width, Height: r.height})
			if !r.bad && err != nil {
				t.Error(err)
			}
			if r.bad {
				upstreamtest.RequireError(t, err, fault.Retryable, job.CodeUnavailable)
				if f := upstreamtest.Error(t, err); strings.Contains(f.Error(), "cat") {
					t.Errorf("%v contains the prompt", f)
				}
			}
		})
	}
}
