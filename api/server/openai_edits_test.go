package server_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const openAIEdits = "/v1/images/edits"

// TestOpenAIEdits sends forms as the libraries of OpenAI do.
func TestOpenAIEdits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	me, first, second := cookie(c), grayPNG(9, 9, 1), grayPNG(9, 9, 2)
	edit := func(parts [][2]string, options ...option) *reply {
		t.Helper()
		body, contentType := form(t, parts...)
		return b.post(t, openAIEdits, body, append(options, contentType, me)...)
	}
	with := func(parts ...[2]string) [][2]string {
		return append([][2]string{{"image", string(first)}, {"prompt", "a"}}, parts...)
	}

	// One image, whose job is answered at once, and again under its key.
	key := idempotencyKey("k")
	one := edit(with([2]string{"model", "gpt-image-1"}), key, async).job(t, http.StatusAccepted)
	if again := edit(with([2]string{"model", "gpt-image-1"}), key, async).job(t, http.StatusAccepted); again.ID != one.ID {
		t.Errorf("repeated: %+v", again)
	}
	edit(with([2]string{"model", "gpt-image-1"}, [2]string{"image[]", string(second)}), key, async).openAIError(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	if one.Input["model"] != "gptimage" {
		t.Errorf("%v", one.Input)
	}
	if got := b.referenceOf(t, owner, one.ID); !bytes.Equal(got, first) {
		t.Errorf("%d bytes, want %d", len(got), len(first))
	}
	b.dequeue(t, owner, one.ID)

	// Several, with numbers as texts, and a response as of generations.
	b.work(t, job.KindImage, func(spec *job.Spec) (*job.Record, []store.Product) {
		in, _ := spec.Input.(*job.ImageInput)
		if len(spec.References) != 2 || spec.References[1].ContentType != "image/png" || in.Count() != 2 || *in.Width != 128 || in.Model != "klein" {
			t.Errorf("%+v of %+v", spec, in)
		}
		return draw(spec)
	})
	var images struct {
		Data []struct {
			B64JSON string `json:"b64_json"`
			URL     string
		}
	}
	resp := edit([][2]string{
		{"image[]", string(first)}, {"image[]", string(second)}, {"prompt", "a"}, {"model", "klein"}, {"n", "2"}, {"size", "128x64"}, {"response_format", "b64_json"}, {"user", "u"},
	})
	resp.expect(t, http.StatusOK).decode(t, &images)
	if len(images.Data) != 2 || images.Data[0].B64JSON == "" || images.Data[0].URL != "" {
		t.Errorf("%s", resp.body)
	}

	b.work(t, job.KindImage, draw)
	if resp := edit(with([2]string{"stream", "true"}, [2]string{"partial_images", "1"})); !strings.Contains(string(resp.body), "event: image_edit.completed") {
		t.Errorf("%s", resp.body)
	}

	for name, r := range map[string]struct {
		parts       [][2]string
		code, param string
	}{
		"no image":        {[][2]string{{"prompt", "a"}}, "invalid_request", "image"},
		"no prompt":       {[][2]string{{"image", string(first)}}, "invalid_request", "prompt"},
		"a mask":          {with([2]string{"mask", string(second)}), "invalid_request", "mask"},
		"no references":   {with([2]string{"model", "flux"}), "invalid_request", "image"},
		"too many images": {with([2]string{"model", "kontext"}, [2]string{"image", string(second)}), "invalid_request", "image"},
		"too many images, none of which is decoded": {
			with([2]string{"model", "kontext"}, [2]string{"image", string(first[:40])}), "invalid_request", "image",
		},
		"n":       {with([2]string{"n", "x"}), "invalid_request", "n"},
		"damaged": {[][2]string{{"prompt", "a"}, {"image", string(first[:40])}}, "invalid_picture", ""},
	} {
		e := edit(r.parts).openAIError(t, http.StatusBadRequest, r.code).Error
		if (e.Param == nil) != (r.param == "") || (e.Param != nil && *e.Param != r.param) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	b.post(t, openAIEdits, fields{"prompt": "a"}, me).openAIError(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	body, contentType := form(t, [2]string{"image", string(make([]byte, 11<<20))})
	b.post(t, openAIEdits, body, me, contentType).openAIError(t, http.StatusBadRequest, "picture_too_large")
	b.post(t, openAIEdits, body[:1000], me, contentType).openAIError(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
}
