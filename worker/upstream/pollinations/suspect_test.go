package pollinations_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// A picture of a size that was not asked for is suspicious once other words were answered with the very same bytes.
func TestErrorPictureByRepetition(t *testing.T) {
	t.Parallel()
	type request = pollinations.ImageRequest
	stock, painted := jpegOf(t, 60, 60), jpegOf(t, 61, 60)
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
		"other words": {{cat, stock, false}, {dog, stock, true}},
		"other words, tried again and again": {
			{cat, stock, false}, {dog, stock, true}, {dog, stock, true}, {dog, painted, false},
		},
		"the same address, again and again":    {{cat, stock, false}, {cat, stock, false}, {cat, stock, false}},
		"the first address after another one":  {{cat, stock, false}, {dog, stock, true}, {cat, stock, false}},
		"other negative words":                 {{cat, stock, false}, {with(func(r *request) { r.Negative = "dogs" }), stock, true}},
		"another seed, which some models heed": {{cat, stock, false}, {with(func(r *request) { r.Seed = 9 }), stock, false}},
		"other pictures of a wrong size":       {{cat, stock, false}, {dog, painted, false}},
		"the size that was asked for": {
			{cat, stock, false}, {with(func(r *request) { r.Prompt, r.Width, r.Height = "dog", 60, 60 }), stock, false},
		},
		"no size asked for": {{cat, stock, false}, {with(func(r *request) { r.Prompt, r.Width, r.Height = "dog", 0, 0 }), stock, false}},
		"right by chance before": {
			{with(func(r *request) { r.Width, r.Height = 60, 60 }), stock, false}, {dog, stock, true},
		},
	}
	for name, steps := range rows {
		for _, style := range []string{pollinations.StyleGen, pollinations.StyleLegacy} {
			t.Run(name+" "+style, func(t *testing.T) {
				t.Parallel()
				var sent []byte
				client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
					answer(sent, "Content-Type", "image/jpeg")(w, r)
				}, asLegacy, func(c *pollinations.Config) { c.ImageStyle = style })
				for n, s := range steps {
					sent = s.sent
					_, err := client.Image(t.Context(), s.request)
					if !s.bad && err != nil {
						t.Errorf("step %d: %v", n, err)
					}
					if s.bad {
						requireFault(t, err, upstream.Retryable, upstream.CodeInvalidAnswer)
					}
				}
			})
		}
	}
}

// Only so many pictures are remembered, the latest.
func TestErrorPictureMemory(t *testing.T) {
	t.Parallel()
	body := jpegOf(t, 60, 60)
	numbered := func(n int) []byte { return append(bytes.Clone(body), fmt.Sprintf("%06d", n)...) }
	sent := 0
	client := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		answer(numbered(sent), "Content-Type", "image/jpeg")(w, r)
	})
	for sent = range 300 {
		if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat", Width: 100, Height: 50}); err != nil {
			t.Fatal(err)
		}
	}
	sent = 299
	_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "dog", Width: 100, Height: 50})
	requireFault(t, err, upstream.Retryable, upstream.CodeInvalidAnswer)
	sent = 10
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "dog", Width: 100, Height: 50}); err != nil {
		t.Errorf("a picture of long ago: %v", err)
	}
}

// The error picture of the older service is told by its weight as well, where the shape is not the one asked for.
func TestErrorPictureByWeight(t *testing.T) {
	t.Parallel()
	// An image may be followed by padding, which makes it as heavy as is wanted; the end of a JPEG is marked again.
	weighing := func(bytes int) []byte {
		data := jpegOf(t, 120, 60)
		return append(append(data, make([]byte, bytes-len(data)-2)...), 0xff, 0xd9)
	}
	heavy := weighing(1_300_000)
	rows := []struct {
		name, style   string
		width, height int
		data          []byte
		bad           bool
	}{
		{"another shape", pollinations.StyleLegacy, 100, 100, heavy, true},
		{"another shape, lighter", pollinations.StyleLegacy, 100, 100, weighing(900_000), false},
		{"another shape, heavier", pollinations.StyleLegacy, 100, 100, weighing(1_500_000), false},
		{"only scaled down", pollinations.StyleLegacy, 4096, 2048, heavy, false},
		{"as asked", pollinations.StyleLegacy, 120, 60, heavy, false},
		{"any size will do", pollinations.StyleLegacy, 0, 0, heavy, false},
		{"at the gateway", pollinations.StyleGen, 100, 100, heavy, false},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, answer(r.data, "Content-Type", "image/jpeg"), asLegacy, func(c *pollinations.Config) { c.ImageStyle = r.style })
			_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "cat", Width: r.width, Height: r.height})
			if !r.bad && err != nil {
				t.Error(err)
			}
			if r.bad {
				requireFault(t, err, upstream.Retryable, upstream.CodeInvalidAnswer)
				if fault := faultOf(t, err); strings.Contains(fault.Error(), "cat") {
					t.Errorf("%v tells too much", fault)
				}
			}
		})
	}
}
