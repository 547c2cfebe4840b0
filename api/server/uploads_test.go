package server_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// tinyPNG returns a small image.
func tinyPNG() []byte { return grayPNG(8, 8, 0) }

// grayPNG returns an image whose content depends on the shade.
func grayPNG(width, height int, shade uint8) []byte {
	img := image.NewGray(image.Rect(0, 0, width, height))
	img.SetGray(0, 0, color.Gray{shade})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// uploadReply is an upload as a client reads it.
type uploadReply struct {
	ID, Reference, URL string
	ContentType        string `json:"content_type"`
	Bytes              int
	Width, Height      int
	ExpiresAt          string `json:"expires_at"`
}

// upload uploads an image.
func (b *bundle) upload(t testing.TB, data []byte, options ...option) uploadReply {
	t.Helper()
	var u uploadReply
	b.post(t, "/api/uploads", data, options...).expect(t, http.StatusCreated).decode(t, &u)
	return u
}

// form returns a form with files and the option that names its type. The fields are names of files and their contents.
func form(t testing.TB, files ...[2]string) (body []byte, contentType option) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, file := range files {
		part, err := w.CreateFormFile(file[0], "a.png")
		must(t, err)
		_, err = part.Write([]byte(file[1]))
		must(t, err)
	}
	must(t, w.Close())
	return b.Bytes(), header("Content-Type", w.FormDataContentType())
}

func (b *bundle) listUploads(t testing.TB, options ...option) []string {
	t.Helper()
	var l struct{ Uploads []uploadReply }
	b.get(t, "/api/uploads", options...).expect(t, http.StatusOK).decode(t, &l)
	ids := []string{}
	for _, u := range l.Uploads {
		ids = append(ids, u.ID)
	}
	return ids
}

// TestUploads uploads, reads, lists and deletes images as every kind of caller.
func TestUploads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	one, other := cookie(c), option(nil)
	c2, _ := guest()
	other = cookie(c2)

	data := grayPNG(40, 30, 1)
	u := b.upload(t, data, one)
	if u.Reference != "upload:"+u.ID || u.ContentType != "image/png" || u.Bytes != len(data) || u.Width != 40 || u.Height != 30 || u.ExpiresAt == "" {
		t.Fatalf("%+v", u)
	}
	body, contentType := form(t, [2]string{"note", "x"}, [2]string{"file", string(data)})
	if again := b.upload(t, body, contentType, one); again.ID != u.ID || again.ExpiresAt < u.ExpiresAt {
		t.Errorf("the same image in a form: %+v", again)
	}
	b.get(t, u.URL, one).expect(t, http.StatusOK).expectHeaders(t, map[string]string{
		"Content-Type": "image/png", "ETag": fmt.Sprintf(`"%x"`, sha256.Sum256(data)), "Content-Length": fmt.Sprint(len(data)),
	})
	if got := b.get(t, u.URL+"?download=1", one).body; !bytes.Equal(got, data) {
		t.Errorf("got %d bytes, want %d", len(got), len(data))
	}
	b.head(t, u.URL, one).expect(t, http.StatusOK)
	for _, who := range []option{other, language("en")} {
		b.get(t, u.URL, who).problem(t, http.StatusNotFound, "not_found")
		b.delete(t, u.URL, who).problem(t, http.StatusNotFound, "not_found")
	}
	if theirs := b.upload(t, data, other); theirs.ID == u.ID {
		t.Error("two owners share an upload")
	}
	newest := b.upload(t, grayPNG(1, 1, 2), one)
	if got := b.listUploads(t, one); !slices.Equal(got, []string{newest.ID, u.ID}) {
		t.Errorf("listed %v", got)
	}
	b.delete(t, u.URL, one).expect(t, http.StatusNoContent)
	b.get(t, u.URL, one).problem(t, http.StatusNotFound, "not_found")
	if got := b.listUploads(t, one); !slices.Equal(got, []string{newest.ID}) {
		t.Errorf("listed %v", got)
	}

	// Without an identity only the id protects an upload.
	open := b.upload(t, data)
	if again := b.upload(t, data); again.ID == open.ID {
		t.Error("two anonymous callers share an upload")
	}
	b.get(t, open.URL).expect(t, http.StatusOK)

	// The works and uploads of a guest who signs up are the member's, whose key may use them.
	member := &session{}
	b.auth(t, "register", fields{"username": "Ann", "email": annEmail, "password": annPassword}, one).expect(t, http.StatusCreated).decode(t, member)
	b.get(t, newest.URL, bearer(member.Token)).expect(t, http.StatusOK)
	submits := bearer(b.newKey(t, bearer(member.Token), fields{"scopes": []string{"submit"}}).Key)
	kept := b.upload(t, grayPNG(2, 2, 3), submits)
	b.get(t, kept.URL, submits).problem(t, http.StatusForbidden, "insufficient_scope")
	must(t, b.jobs.Erase(t.Context(), member.User.ID))
	b.get(t, kept.URL, bearer(member.Token)).problem(t, http.StatusNotFound, "not_found")

	for name, r := range map[string]struct {
		body   []byte
		status int
		code   string
	}{
		"nothing":               {nil, 400, "The request has no body; send a PNG, JPEG, or WebP image."},
		"no image":              {[]byte(`{"file":"x"}`), 400, "invalid_picture"},
		"cut off":               {data[:len(data)-20], 400, "invalid_picture"},
		"damaged":               {bytes.Replace(data, []byte("IDAT"), []byte("IDAT\x00\x00\x00"), 1)[:len(data)], 400, "invalid_picture"},
		"many pixels":           {grayPNG(6000, 5000, 0), 400, "invalid_picture"},
		"too large":             {append(slices.Clone(data), make([]byte, 11<<20)...), 400, "picture_too_large"},
		"far larger":            {make([]byte, 17<<20), 413, "body_too_large"},
		"a form of other":       {[]byte("--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nx\r\n--x--\r\n"), 400, "/file must not be empty"},
		"a form cut off":        {[]byte("--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx"), 400, "form is incomplete"},
		"a form cut off early":  {[]byte("--x\r\nContent-Disposition: form-data; na"), 400, "form is incomplete"},
		"a form without an end": {[]byte("--x\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nx\r\n--x\r\n"), 400, "form is incomplete"},
		"no boundary":           {[]byte("--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--x--\r\n"), 400, "has no boundary"},
		"no value of boundary":  {[]byte("--x--\r\n"), 400, "has no boundary"},
	} {
		options := []option{other}
		if strings.HasPrefix(name, "a form") {
			options = append(options, header("Content-Type", "multipart/form-data; boundary=x"))
		}
		if strings.HasPrefix(name, "no boundary") {
			options = append(options, header("Content-Type", "multipart/form-data"))
		}
		if strings.HasPrefix(name, "no value") {
			options = append(options, header("Content-Type", "multipart/form-data; boundary="))
		}
		if resp := b.post(t, "/api/uploads", r.body, options...); resp.StatusCode != r.status || !bytes.Contains(resp.body, []byte(r.code)) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, resp.body)
		}
	}
}

// referring returns a submission with reference images.
func referring(references ...string) fields {
	return fields{"kind": "image", "input": fields{"prompt": "a", "model": "gptimage", "reference_images": references}}
}

// referenceOf returns the content of the only reference image of a job in the queue.
func (b *bundle) referenceOf(t testing.TB, owner, id string) []byte {
	t.Helper()
	spec := b.queueEntry(t, owner, id).Spec
	if len(spec.References) != 1 {
		t.Fatalf("%+v", spec)
	}
	data, err := b.store.ReadReference(t.Context(), spec, spec.References[0])
	must(t, err)
	return data
}

// TestStoredReferences submits jobs with stored reference images, and removes these.
func TestStoredReferences(t *testing.T) {
	t.Parallel()
	b := setup(t, withAdmin)
	c, owner := guest()
	me := cookie(c)
	data := append(grayPNG(700, 700, 1), bytes.Repeat([]byte("x"), 600<<10)...) // Two chunks: what follows the image of a medium is kept.
	work := imageSpec(owner, "work")
	b.settle(t, work, &job.Record{Status: job.StatusSucceeded},
		store.Product{Media: job.Media{ContentType: "image/png"}, Data: data}, store.Product{Media: job.Media{Index: 1, ContentType: "audio/mpeg"}, Data: data},
		store.Product{Media: job.Media{Index: 2, ContentType: "image/png"}, Data: make([]byte, 10<<20)})
	small := grayPNG(5, 5, 1)
	u, foreign := b.upload(t, small, me), b.upload(t, small)

	for reference, want := range map[string]string{
		"upload:nothing": "reference_not_found", "upload:" + foreign.ID + "x": "reference_not_found", "job:nothing/0": "reference_not_found",
		"job:work/7": "reference_not_found", "job:work/1": "reference_not_image", "job:work": "invalid_reference",
	} {
		p := b.post(t, "/api/jobs", referring("https://a.example/a.png", reference), me).problem(t, http.StatusBadRequest, "invalid_request")
		if len(p.Errors) != 1 || p.Errors[0].Pointer != "/input/reference_images/1" || p.Errors[0].Code != want {
			t.Errorf("%s: %+v", reference, p.Errors)
		}
	}
	p := b.post(t, "/api/jobs", referring("job:work/2", u.Reference), me).problem(t, http.StatusBadRequest, "invalid_request")
	if len(p.Errors) != 1 || p.Errors[0].Code != "references_too_large" {
		t.Errorf("%+v", p.Errors)
	}
	c2, _ := guest()
	b.post(t, "/api/jobs", referring(u.Reference), cookie(c2)).problem(t, http.StatusBadRequest, "invalid_request")
	b.post(t, "/api/jobs", referring("job:work/0"), cookie(c2)).problem(t, http.StatusBadRequest, "invalid_request")
	flux := fields{"kind": "image", "input": fields{"prompt": "a", "model": "flux", "reference_images": []string{u.Reference}}}
	if p := b.post(t, "/api/jobs", flux, me).problem(t, http.StatusBadRequest, "invalid_request"); p.Errors[0].Code != "not_for_model" {
		t.Errorf("%+v", p.Errors)
	}

	ofWork := b.post(t, "/api/jobs", referring("job:work/0"), me).job(t, http.StatusAccepted)
	keyed := b.post(t, "/api/jobs", referring(u.Reference), me, idempotencyKey("k")).job(t, http.StatusAccepted)
	// Accepted jobs need neither the job nor the upload, and a repetition finds its job.
	b.delete(t, "/api/jobs/work", me).expect(t, http.StatusNoContent)
	b.delete(t, u.URL, me).expect(t, http.StatusNoContent)
	if got := b.referenceOf(t, owner, ofWork.ID); !bytes.Equal(got, data) {
		t.Errorf("%d bytes, want %d", len(got), len(data))
	}
	if got := b.referenceOf(t, owner, keyed.ID); !bytes.Equal(got, small) {
		t.Errorf("%d bytes, want %d", len(got), len(small))
	}
	if again := b.post(t, "/api/jobs", referring(u.Reference), me, idempotencyKey("k")).job(t, http.StatusAccepted); again.ID != keyed.ID {
		t.Errorf("repeated: %+v", again)
	}
	b.post(t, "/api/jobs", referring(u.Reference), me, idempotencyKey("other")).problem(t, http.StatusBadRequest, "invalid_request")

	// Retries and replays have copies of their own.
	b.dequeue(t, owner, ofWork.ID)
	b.work(t, job.KindImage, failJob(job.CodeUnavailable))
	b.get(t, "/api/jobs/"+keyed.ID+"?wait=30", me).job(t, http.StatusOK)
	retried := b.retry(t, keyed.ID, fields{}, me).job(t, http.StatusAccepted)
	eventually(t, "the dead letter is stored", func() bool {
		_, err := b.store.DeadLetter(t.Context(), keyed.ID)
		return err == nil
	})
	replayed := b.admin(t, http.MethodPost, "/dead-letters/"+keyed.ID+"/replay", nil).job(t, http.StatusAccepted)
	b.dequeue(t, owner, replayed.ID)
	letter := &job.DeadLetter{Spec: b.queueEntry(t, owner, retried.ID).Spec, FailedAt: at(0), Error: job.NewError(job.CodeUnavailable, 0)}
	letter.Spec.ID = keyed.ID
	must(t, b.store.PutDeadLetter(t.Context(), letter))
	b.delete(t, "/api/jobs/"+keyed.ID, me).expect(t, http.StatusNoContent)
	if got := b.referenceOf(t, owner, retried.ID); !bytes.Equal(got, small) {
		t.Errorf("retried: %d bytes, want %d", len(got), len(small))
	}
	// The references of the deleted job are gone.
	b.admin(t, http.MethodPost, "/dead-letters/"+keyed.ID+"/replay", nil).problem(t, http.StatusConflict, "not_retryable")
}
