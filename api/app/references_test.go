package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// uploaded is an upload as a client reads it.
type uploaded struct{ ID, Reference, URL string }

// TestReferenceImages makes images from an upload, a URL and a work, after the upload and the work were deleted.
func TestReferenceImages(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	i.Visit(t)
	work := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "a boat", "width": 64, "height": 64}}).ID)
	picture := i.Do(t, http.MethodGet, work.Result.Media[0].URL, nil)
	var upload uploaded
	i.Do(t, http.MethodPost, "/api/uploads", picture.Data, "Content-Type: image/jpeg").Decode(t, &upload)
	if err := i.Simulator().Script(simulator.Rule{Contains: "a copy", Hold: true}); err != nil {
		t.Fatal(err)
	}
	job := i.Submit(t, fields{"kind": "image", "input": fields{
		"prompt": "a copy", "model": "gptimage", "width": 64, "height": 64, "n": 2,
		"reference_images": []string{"https://a.example/x.png", upload.Reference, "job:" + work.ID + "/0"},
	}})
	for _, path := range []string{upload.URL, "/api/jobs/" + work.ID} {
		if resp := i.Do(t, http.MethodDelete, path, nil); resp.StatusCode != http.StatusNoContent {
			t.Fatalf("delete %s: %d %s", path, resp.StatusCode, resp.Data)
		}
	}
	i.Simulator().Release()
	done := i.Wait(t, job.ID)
	if done.Status != "succeeded" || len(done.Result.Media) != 2 {
		t.Fatalf("%+v", done)
	}
	edits := 0
	for _, call := range i.Simulator().Calls(simulator.KindImage) {
		if call.Path != "/v1/images/edits" {
			continue
		}
		edits++
		images, _ := call.Body["image"].([]any)
		for n, prefix := range []string{"https://a.example/x.png", "data:image/jpeg;base64,", "data:image/jpeg;base64,"} {
			image, _ := images[n].(map[string]any)
			if url, _ := image["image_url"].(string); !strings.HasPrefix(url, prefix) {
				t.Errorf("image %d is %.40s", n, url)
			}
		}
	}
	if edits != 2 {
		t.Errorf("%d edits", edits)
	}
	for route := range map[string]bool{upload.URL: true, "/api/uploads/x": true} {
		i.Do(t, http.MethodGet, route, nil)
	}
	i.Do(t, http.MethodPost, "/api/uploads", fields{})
	i.Do(t, http.MethodGet, "/api/uploads", nil)
}
