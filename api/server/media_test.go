package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestMedia(t *testing.T) {
	t.Parallel()
	b := setup(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 100_000) // Several chunks of the store.
	storeFinishedJob(t, b, "0199d0f4-6a7c", data, "image/jpeg", "image/png")
	sum := sha256.Sum256(data)
	etag := `"` + hex.EncodeToString(sum[:]) + `"`
	for index, ext := range map[int]string{0: "jpg", 1: "png"} {
		path := fmt.Sprintf("/api/jobs/0199d0f4-6a7c/media/%d", index)
		resp := b.get(t, path).expect(t, http.StatusOK)
		if !bytes.Equal(resp.body, data) {
			t.Fatalf("%d bytes, want %d", len(resp.body), len(data))
		}
		resp.expectHeaders(t, map[string]string{
			"ETag": etag, "Cache-Control": "private, max-age=86400, immutable", "X-Content-Type-Options": "nosniff",
			"Content-Disposition":          fmt.Sprintf("inline; filename=image-0199d0f4-%d.%s", index, ext),
			"Content-Security-Policy":      "sandbox; default-src 'none'",
			"Cross-Origin-Resource-Policy": "same-origin", "Accept-Ranges": "bytes",
			"Content-Length": fmt.Sprint(len(data)),
		})
		head := b.head(t, path).expect(t, http.StatusOK)
		if head.ContentLength != int64(len(data)) || len(head.body) > 0 || head.Header.Get("ETag") != etag {
			t.Errorf("HEAD: %v", head.Header)
		}
		b.get(t, path, header("If-None-Match", etag)).expect(t, http.StatusNotModified)
		down := b.get(t, path+"?download=1")
		if want := fmt.Sprintf("attachment; filename=image-0199d0f4-%d.%s", index, ext); down.Header.Get("Content-Disposition") != want {
			t.Errorf("download: %q", down.Header.Get("Content-Disposition"))
		}
	}
}

func TestThumbnails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var original bytes.Buffer
	if err := png.Encode(&original, image.NewGray(image.Rect(0, 0, 600, 300))); err != nil {
		t.Fatal(err)
	}
	data := original.Bytes()
	storeFinishedJob(t, b, "job-a", data, "image/png")
	const path = "/api/jobs/job-a/media/0"
	sum := sha256.Sum256(data)
	etag := fmt.Sprintf(`"%x-320"`, sum)
	resp := b.get(t, path+"?w=320").expect(t, http.StatusOK)
	resp.expectHeaders(t, map[string]string{
		"ETag": etag, "Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400, immutable",
		"Content-Disposition": "inline; filename=image-job-a-0.jpg", "Content-Length": fmt.Sprint(len(resp.body)),
	})
	small, _, err := image.Decode(bytes.NewReader(resp.body))
	if err != nil || small.Bounds().Size() != image.Pt(320, 160) {
		t.Errorf("got %v, %v", err, small)
	}
	b.get(t, path+"?w=320", header("If-None-Match", etag)).expect(t, http.StatusNotModified)
	if head := b.head(t, path+"?w=320").expect(t, http.StatusOK); head.ContentLength != int64(len(resp.body)) {
		t.Errorf("HEAD: %v", head.Header)
	}
	// An image that is not wider is its own thumbnail.
	b.get(t, path+"?w=640").expect(t, http.StatusOK).expectHeaders(t, map[string]string{
		"ETag": fmt.Sprintf(`"%x"`, sum), "Content-Type": "image/png", "Content-Length": fmt.Sprint(len(data)),
	})
	for _, w := range []string{"", "0", "-1", "333", "320px", "1e9"} {
		if problem := b.get(t, path+"?w="+w).expect(t, http.StatusBadRequest); !bytes.Contains(problem.body, []byte(`"?w"`)) {
			t.Errorf("w=%s: %s", w, problem.body)
		}
	}
	b.get(t, "/api/jobs/job-a/media/1?w=320").expect(t, http.StatusNotFound)
	storeFinishedJob(t, b, "job-b", data, "audio/mpeg")
	b.get(t, "/api/jobs/job-b/media/0?w=320").expect(t, http.StatusOK)
}

func TestMediaRanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	data := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	storeFinishedJob(t, b, "job-a", data, "audio/mpeg")
	const path = "/api/jobs/job-a/media/0"
	etag := b.head(t, path).Header.Get("ETag")
	size := len(data)
	for _, tc := range []struct {
		rang, ifRange string
		status        int
		from, to      int
	}{
		{"bytes=0-9", "", 206, 0, 10},
		{"bytes=524280-524300", "", 206, 524280, 524301}, // Across two chunks.
		{"bytes=-5", "", 206, size - 5, size},
		{fmt.Sprintf("bytes=%d-", size-1), "", 206, size - 1, size},
		{"bytes=5-9999999", "", 206, 5, size},
		{"bytes=0-9", etag, 206, 0, 10},
		{"bytes=0-9", `"another"`, 200, 0, size},
		{"lines=1-2", "", 200, 0, size},
		{"items=0-1", "", 200, 0, size},
		{"bytes 0-1", "", 200, 0, size},
		{"bytes=", "", 200, 0, size},
		{"bytes=-", "", 200, 0, size},
		{"bytes=a-b", "", 200, 0, size},
		{"bytes=0-1-2", "", 200, 0, size},
		{"bytes=+0-1", "", 200, 0, size},
		{"bytes=0-1,x", "", 200, 0, size},
		{"bytes=9-5", "", 200, 0, size},
		{"Bytes=0-9", "", 206, 0, 10},
		{"bytes= 0-9 ,", "", 206, 0, 10},
		{"bytes=0-9,-0", "", 206, 0, 10},
		{"bytes=5-99999999999999999999999", "", 206, 5, size},
		{"bytes=-99999999999999999999999", "", 206, 0, size},
		{"bytes=-0", "", 416, 0, 0},
		{"bytes=-0,-0", "", 416, 0, 0},
		{"bytes=-0", `"another"`, 200, 0, size},
		{"bytes=99999999999999999999999-", "", 416, 0, 0},
		{fmt.Sprintf("bytes=%d-", size), "", 416, 0, 0},
	} {
		options := []option{header("Range", tc.rang)}
		if tc.ifRange != "" {
			options = append(options, header("If-Range", tc.ifRange))
		}
		resp := b.get(t, path, options...)
		if tc.status == http.StatusRequestedRangeNotSatisfiable {
			resp.problem(t, tc.status, "range_not_satisfiable")
			if resp.Header.Get("ETag") != "" || resp.Header.Get("Content-Disposition") != "" {
				t.Errorf("%s: headers %v", tc.rang, resp.Header)
			}
			continue
		}
		if resp.expect(t, tc.status); !bytes.Equal(resp.body, data[tc.from:tc.to]) {
			t.Errorf("%s: %d bytes, want %d", tc.rang, len(resp.body), tc.to-tc.from)
		}
	}
}

func TestMissingMedia(t *testing.T) {
	t.Parallel()
	b := setup(t)
	storeFinishedJob(t, b, "job-a", []byte("x"), "image/jpeg")
	b.push(t, imageSpec(job.OwnerAnonymous, "job-b"))
	failure := imageSpec(job.OwnerAnonymous, "job-c")
	b.settle(t, failure, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 0)})
	for _, path := range []string{
		"job-a/media/1", "job-a/media/-1", "job-a/media/00", "job-a/media/+0", "job-a/media/x", "job-a/media/%00",
		"job-a/media/99999999999999999999", "job-b/media/0", "job-c/media/0",
	} {
		b.get(t, "/api/jobs/"+path).problem(t, http.StatusNotFound, "media_not_found")
	}
}

func TestActiveMediaTypesAreNotServed(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]string{
		"image/jpeg": "image/jpeg", "image/png": "image/png", "image/webp": "image/webp", "image/gif": "image/gif",
		"audio/mpeg": "audio/mpeg", "Audio/WAV": "audio/wav", "image/jpeg; charset=x": "image/jpeg",
		"image/svg+xml": "application/octet-stream", "text/html": "application/octet-stream", "": "application/octet-stream",
		"application/xhtml+xml": "application/octet-stream", "text/html\r\nX: y": "application/octet-stream",
	} {
		if got := server.SafeType(contentType); got != want {
			t.Errorf("%q is served as %q, want %q", contentType, got, want)
		}
	}
	b := setup(t)
	storeFinishedJob(t, b, "job-a", []byte("<script>"), "text/html", "audio/x-wav", "audio/flac")
	for index, want := range []string{"image-job-a-0.bin", "image-job-a-1.wav", "image-job-a-2.flac"} {
		resp := b.get(t, fmt.Sprintf("/api/jobs/job-a/media/%d?download=1", index)).expect(t, http.StatusOK)
		if got := resp.Header.Get("Content-Disposition"); got != "attachment; filename="+want {
			t.Errorf("disposition %q, want %s", got, want)
		}
	}
}
