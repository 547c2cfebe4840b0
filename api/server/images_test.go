package server_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const imagesRoute = "/api/images/"

// jpegImage returns a gray JPEG of side × side pixels.
func jpegImage(t testing.TB, side int) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, side, side)), nil))
	return b.Bytes()
}

// largePNG returns a PNG that the store keeps in several chunks.
func largePNG(t testing.TB) []byte {
	t.Helper()
	data, err := encodeLargePNG()
	must(t, err)
	if len(data) < 1<<20 || len(data) > gallery.MaxBytes {
		t.Fatalf("%d bytes", len(data))
	}
	return slices.Clone(data)
}

// encodeLargePNG encodes the image once for all tests.
var encodeLargePNG = sync.OnceValues(func() ([]byte, error) {
	m := image.NewNRGBA(image.Rect(0, 0, 640, 640))
	if _, err := io.ReadFull(rand.NewChaCha8([32]byte{1}), m.Pix); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
})

// saveBody returns a body of POST /api/images/save as the original's clients send it.
func saveBody(data []byte) fields {
	return fields{
		"prompt": "canary lighthouse", "data": base64.StdEncoding.EncodeToString(data), "width": 1024, "height": 768, "seed": 42, "model": "flux", "negative": "canary fog",
	}
}

type savedImage struct {
	Success                    bool
	ID, Prompt, Quality, Model string
	CreatedAt                  string `json:"created_at"`
	ExpiresAt                  string `json:"expires_at"`
	Size, Width, Height        int
	Seed                       *int64
	Negative, Data             string
	Optimized                  string `json:"optimized_prompt"`
	JobID                      string `json:"job_id"`
	Index                      *int
}

type dailyImages struct {
	Success         bool
	Images, Earlier []savedImage
	Count, MaxCount int
}

// saveImage saves an image.
func (b *bundle) saveImage(t testing.TB, data []byte, who option) savedImage {
	t.Helper()
	var s savedImage
	b.post(t, imagesRoute+"save", saveBody(data), who).expect(t, http.StatusCreated).decode(t, &s)
	return s
}

// daily returns a member's list of saved images.
func (b *bundle) daily(t testing.TB, who option) dailyImages {
	t.Helper()
	var d dailyImages
	b.get(t, imagesRoute+"daily", who).expect(t, http.StatusOK).decode(t, &d)
	return d
}

// fieldNames returns the sorted field names of a JSON object.
func fieldNames(t testing.TB, body []byte) string {
	t.Helper()
	var m map[string]json.RawMessage
	must(t, json.Unmarshal(body, &m))
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}

func TestSaveImage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.newMember(t, annEmail)
	small, large := jpegImage(t, 64), largePNG(t)
	resp := b.post(t, imagesRoute+"save", saveBody(small), ann).expect(t, http.StatusCreated)
	var s savedImage
	resp.decode(t, &s)
	if got := fieldNames(t, resp.body); got != "created_at expires_at id prompt quality size success" || !s.Success || s.Quality != "HD" || s.Size != len(small) ||
		s.Prompt != "canary lighthouse" || !millisecondsPattern.MatchString(s.CreatedAt) || !millisecondsPattern.MatchString(s.ExpiresAt) || len(s.ID) < 26 {
		t.Errorf("saved: %s", resp.body)
	}
	body := saveBody(large)
	body["data"], body["seed"], body["negative"] = "data:image/jpeg;base64,"+body["data"].(string), nil, nil
	var second savedImage
	b.post(t, imagesRoute+"save", body, ann).expect(t, http.StatusCreated).decode(t, &second)

	resp = b.get(t, imagesRoute+s.ID, ann).expect(t, http.StatusOK)
	var whole savedImage
	resp.decode(t, &whole)
	if got := fieldNames(t, resp.body); got != "content_type created_at data expires_at height id model negative prompt quality seed size width" ||
		whole.Data != base64.StdEncoding.EncodeToString(small) || whole.Width != 64 || whole.Height != 64 || *whole.Seed != 42 || whole.Model != "flux" || whole.Negative != "canary fog" {
		t.Errorf("read: %.400s", resp.body)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Vary"), "Cookie") {
		t.Errorf("headers %v", resp.Header)
	}
	resp = b.get(t, imagesRoute+"daily", ann).expect(t, http.StatusOK)
	var d dailyImages
	resp.decode(t, &d)
	if fieldNames(t, resp.body) != "count earlier images maxCount success" || d.Count != 2 || d.MaxCount != 3 || len(d.Images) != 2 || d.Images[1].ID != second.ID ||
		d.Images[0].Width != 64 || d.Images[1].Seed != nil || d.Images[0].Data != "" || !strings.Contains(string(resp.body), `"earlier":[]`) {
		t.Errorf("daily: %s", resp.body)
	}
	resp = b.get(t, imagesRoute+"stats", ann).expect(t, http.StatusOK)
	want := fmt.Sprintf(`{"success":true,"stats":{"totalImages":2,"maxImages":3,"remainingImages":1,"totalSize":%d,"maxSize":6291456,"today":"%s"}}`,
		len(small)+len(large), time.Now().UTC().Format(time.DateOnly))
	if strings.TrimSpace(string(resp.body)) != want {
		t.Errorf("stats: %s, want %s", resp.body, want)
	}
	b.checkDownload(t, ann, s.ID, small, "image/jpeg", "jpg")
	b.checkDownload(t, ann, second.ID, large, "image/png", "png")

	resp = b.delete(t, imagesRoute+s.ID, ann).expect(t, http.StatusOK)
	if fieldNames(t, resp.body) != "message success" {
		t.Errorf("deleted: %s", resp.body)
	}
	b.delete(t, imagesRoute+s.ID, ann).accountError(t, http.StatusBadRequest, "image_not_found")
	b.get(t, imagesRoute+s.ID, ann).accountError(t, http.StatusNotFound, "image_not_found")
	b.get(t, imagesRoute+"download/"+s.ID, ann).accountError(t, http.StatusNotFound, "image_not_found")
	for _, id := range []string{"save", "download", "%00", "a.b", "*", ">", strings.Repeat("x", 300)} {
		b.get(t, imagesRoute+id, ann).accountError(t, http.StatusNotFound, "image_not_found")
		b.delete(t, imagesRoute+id, ann).accountError(t, http.StatusBadRequest, "image_not_found")
	}
	if d := b.daily(t, ann); d.Count != 1 {
		t.Errorf("left: %+v", d)
	}
	if log := b.log.String(); strings.Contains(log, "canary") {
		t.Errorf("a saved image is in the log: %s", log)
	}
}

// checkDownload checks the download of a saved image.
func (b *bundle) checkDownload(t *testing.T, who option, id string, data []byte, contentType, ext string) {
	t.Helper()
	path := imagesRoute + "download/" + id
	resp := b.get(t, path, who).expect(t, http.StatusOK)
	if !bytes.Equal(resp.body, data) {
		t.Errorf("%d bytes, want %d", len(resp.body), len(data))
	}
	resp.expectHeaders(t, map[string]string{
		"Content-Type": contentType, "X-Content-Type-Options": "nosniff", "Content-Disposition": fmt.Sprintf(`attachment; filename="image_%s.%s"`, id, ext),
		"Content-Security-Policy": "sandbox; default-src 'none'", "Cross-Origin-Resource-Policy": "same-origin", "Content-Length": fmt.Sprint(len(data)),
	})
	var age int
	if _, err := fmt.Sscanf(resp.Header.Get("Cache-Control"), "private, max-age=%d, immutable", &age); err != nil || age < 86000 || age > 86400 {
		t.Errorf("Cache-Control %q", resp.Header.Get("Cache-Control"))
	}
	etag := resp.Header.Get("ETag")
	b.get(t, path, who, header("If-None-Match", etag)).expect(t, http.StatusNotModified)
	if head := b.head(t, path, who).expect(t, http.StatusOK); head.ContentLength != int64(len(data)) || len(head.body) > 0 || len(etag) != 66 {
		t.Errorf("HEAD %v", head.Header)
	}
	if part := b.get(t, path, who, header("Range", "bytes=3-9")).expect(t, http.StatusPartialContent); !bytes.Equal(part.body, data[3:10]) {
		t.Errorf("range: %x", part.body)
	}
	b.get(t, path, who, header("Range", "bytes=9999999-")).accountError(t, http.StatusRequestedRangeNotSatisfiable, "range_not_satisfiable")
}

// decompressionBomb returns a PNG of a few bytes whose header declares huge dimensions.
func decompressionBomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))))
	data := b.Bytes()
	binary.BigEndian.PutUint32(data[16:], 1<<20)
	binary.BigEndian.PutUint32(data[20:], 1<<20)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestSaveImageIsValidated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.newMember(t, annEmail)
	good := jpegImage(t, 64)
	with := func(changes fields) fields {
		f := saveBody(good)
		maps.Copy(f, changes)
		return f
	}
	encode := base64.StdEncoding.EncodeToString
	for name, c := range map[string]struct {
		body   any
		status int
		code   string
		fault  string
	}{
		"no body":           {nil, 400, "body_required", ""},
		"not JSON":          {"canary{", 400, "invalid_json", ""},
		"a list":            {"[]", 400, "invalid_json", ""},
		"no data":           {with(fields{"data": nil}), 400, "invalid_request", "/data required"},
		"no prompt":         {with(fields{"prompt": "  "}), 400, "invalid_request", "/prompt required"},
		"long prompt":       {with(fields{"prompt": strings.Repeat("灯", 4001)}), 400, "invalid_request", "/prompt too_long"},
		"long negative":     {with(fields{"negative": strings.Repeat("x", 4001)}), 400, "invalid_request", "/negative too_long"},
		"long model":        {with(fields{"model": strings.Repeat("x", 101)}), 400, "invalid_request", "/model too_long"},
		"wrong seed":        {with(fields{"seed": "canary"}), 400, "invalid_request", "/seed wrong_type"},
		"wrong data":        {with(fields{"data": []int{1}}), 400, "invalid_request", "/data wrong_type"},
		"data and a job":    {with(fields{"job_id": "x"}), 400, "invalid_request", "/data not_with"},
		"not base64":        {with(fields{"data": "canary!"}), 400, "invalid_picture", ""},
		"svg":               {with(fields{"data": encode([]byte("<svg>canary</svg>"))}), 400, "invalid_picture", ""},
		"svg with a type":   {with(fields{"data": "data:image/png;base64," + encode([]byte("<svg>canary</svg>"))}), 400, "invalid_picture", ""},
		"html":              {with(fields{"data": encode([]byte("<!doctype html><script>canary"))}), 400, "invalid_picture", ""},
		"cut off":           {with(fields{"data": encode(good[:len(good)-9])}), 400, "invalid_picture", ""},
		"a bomb":            {with(fields{"data": encode(decompressionBomb(t))}), 400, "invalid_picture", ""},
		"HTML in front":     {with(fields{"data": encode(append([]byte("<!--"), good...))}), 400, "invalid_picture", ""},
		"too large":         {with(fields{"data": encode(append(bytes.Clone(good), make([]byte, gallery.MaxBytes)...))}), 400, "picture_too_large", ""},
		"far too large":     {with(fields{"data": strings.Repeat("A", server.MaxImageBody)}), 413, "body_too_large", ""},
		"six times max":     {with(fields{"data": strings.Repeat("A", 6*gallery.MaxBytes)}), 400, "picture_too_large", ""},
		"a seed too large":  {with(fields{"seed": json.Number("9007199254740993")}), 400, "invalid_request", "/seed out_of_range"},
		"a huge seed":       {with(fields{"seed": json.Number("1e30")}), 400, "invalid_request", "/seed out_of_range"},
		"a seed too small":  {with(fields{"seed": json.Number("-1e30")}), 400, "invalid_request", "/seed out_of_range"},
		"no such job":       {fields{"job_id": "none"}, 404, "not_found", ""},
		"not a job id":      {fields{"job_id": "$KV.>"}, 404, "not_found", ""},
		"wrong index":       {fields{"job_id": "none", "index": "canary"}, 400, "invalid_request", "/index wrong_type"},
		"largest size":      {with(fields{"data": encode(make([]byte, gallery.MaxBytes))}), 400, "invalid_picture", ""},
		"one byte too many": {with(fields{"data": encode(make([]byte, gallery.MaxBytes+1))}), 400, "picture_too_large", ""},
	} {
		f := b.post(t, imagesRoute+"save", c.body, ann).accountError(t, c.status, c.code)
		if c.fault != "" && (len(f.Errors) != 1 || f.Errors[0].Pointer+" "+f.Errors[0].Code != c.fault) {
			t.Errorf("%s: %+v", name, f)
		}
		if strings.Contains(f.Error, "canary") {
			t.Errorf("%s: %s", name, f.Error)
		}
	}
	// Data after the image is not stored.
	s := b.saveImage(t, append(bytes.Clone(good), "<script>alert(1)</script>"...), ann)
	if resp := b.get(t, imagesRoute+"download/"+s.ID, ann); !bytes.Equal(resp.body, good) || resp.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%d bytes of %s", len(resp.body), resp.Header.Get("Content-Type"))
	}
	if log := b.log.String(); strings.Contains(log, "canary") {
		t.Errorf("a request body is in the log: %s", log)
	}
}

func TestSaveImageOfJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	annSession, bobSession := b.signUp(t, annEmail), b.signUp(t, "bob@example.org")
	ann, bob := bearer(annSession.Token), bearer(bobSession.Token)
	seed, large := int64(77), largePNG(t)
	firstMedia := func(index int, contentType string, data []byte) store.Product {
		return store.Product{Media: job.Media{Index: index, ContentType: contentType, Width: 1, Height: 1, Seed: &seed, Model: "turbo"}, Data: data}
	}
	spec := memberSpec(annSession, "done")
	spec.Input.(*job.ImageInput).Negative = "fog"
	b.settle(t, spec, &job.Record{Status: job.StatusSucceeded, Result: &job.Result{Prompt: &job.PromptPair{Original: "a lighthouse", Optimized: "a tall lighthouse"}}},
		firstMedia(0, "image/jpeg", jpegImage(t, 64)), firstMedia(1, "image/png", large), firstMedia(2, "image/svg+xml", []byte("<svg/>")), firstMedia(3, "image/jpeg", make([]byte, gallery.MaxBytes+1)))
	b.settle(t, memberSpec(annSession, "failed"), &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
	b.push(t, memberSpec(annSession, "queued"))
	speech := memberSpec(annSession, "speech")
	speech.Kind, speech.Input = job.KindAudio, audioInput()
	b.settle(t, speech, &job.Record{Status: job.StatusSucceeded}, firstMedia(0, "audio/mpeg", jpegImage(t, 64)))
	cookieOfGuest, g := guest()
	b.settle(t, imageSpec(g, "before"), &job.Record{Status: job.StatusSucceeded}, firstMedia(0, "image/jpeg", jpegImage(t, 32)))

	save := func(body fields, options ...option) *reply {
		t.Helper()
		return b.post(t, imagesRoute+"save", body, options...)
	}
	var first, again, second savedImage
	save(fields{"job_id": "done", "index": 1}, ann).expect(t, http.StatusCreated).decode(t, &first)
	save(fields{"job_id": "done", "index": "1", "prompt": "another"}, ann).expect(t, http.StatusCreated).decode(t, &again)
	save(fields{"job_id": "done"}, ann).expect(t, http.StatusCreated).decode(t, &second)
	if first.ID != again.ID || first.ID == second.ID || first.Size != len(large) {
		t.Errorf("saved %+v, %+v, %+v", first, again, second)
	}
	var whole savedImage
	b.get(t, imagesRoute+first.ID, ann).expect(t, http.StatusOK).decode(t, &whole)
	if whole.Prompt != "a lighthouse" || whole.Optimized != "a tall lighthouse" || whole.Negative != "fog" || whole.Width != 640 || whole.Height != 640 ||
		*whole.Seed != 77 || whole.Model != "turbo" || whole.Data != base64.StdEncoding.EncodeToString(large) {
		t.Errorf("read: prompt %q, %q, %d × %d, seed %d, model %q", whole.Prompt, whole.Optimized, whole.Width, whole.Height, *whole.Seed, whole.Model)
	}
	for _, c := range []struct {
		body   fields
		who    option
		status int
		code   string
	}{
		{fields{"job_id": "done", "index": 1}, bob, 404, "not_found"},
		{fields{"job_id": "queued"}, bob, 404, "not_found"},
		{fields{"job_id": "queued"}, ann, 409, "not_finished"},
		{fields{"job_id": "failed"}, ann, 404, "media_not_found"},
		{fields{"job_id": "speech"}, ann, 404, "media_not_found"},
		{fields{"job_id": "done", "index": 4}, ann, 404, "media_not_found"},
		{fields{"job_id": "done", "index": -1}, ann, 404, "media_not_found"},
		{fields{"job_id": "done", "index": 2}, ann, 400, "invalid_picture"},
		{fields{"job_id": "done", "index": 3}, ann, 400, "picture_too_large"},
		{fields{"job_id": "before"}, ann, 404, "not_found"},
	} {
		save(c.body, c.who).accountError(t, c.status, c.code)
	}
	// A member may save the images of the guest of the same browser.
	save(fields{"job_id": "before"}, ann, cookie(cookieOfGuest)).expect(t, http.StatusCreated)
	if d := b.daily(t, ann); d.Count != 3 || d.Images[2].Width != 32 || d.Images[2].JobID != "before" || d.Images[0].JobID != "done" || *d.Images[0].Index != 1 {
		t.Errorf("daily %+v", d)
	}
	if d := b.daily(t, bob); d.Count != 0 {
		t.Errorf("Bob has %+v", d)
	}
}

func FuzzSaveImage(f *testing.F) {
	f.Add([]byte(`{"prompt":"a","data":"UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==","seed":"7"}`))
	f.Add([]byte(`{"job_id":"x","index":1}`))
	f.Add([]byte(`{"data":"data:image/png;base64,iVBORw0KGgo=","prompt":"a"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		err := server.DecodeSaveRequest(body)
		if err == nil {
			return
		}
		if _, status, ok := server.IsProblem(err); !ok || status != http.StatusBadRequest {
			t.Errorf("%q: %v", body, err)
		}
	})
}
