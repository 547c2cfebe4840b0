package server_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	openAIImages = "/v1/images/generations"
	openAISpeech = "/v1/audio/speech"
)

// openAIErrorBody is an error body of the OpenAI-compatible routes.
type openAIErrorBody struct {
	Error struct {
		Message, Type, Code string
		Param               *string
	}
}

// openAIError checks that the response is an error of the OpenAI-compatible routes with this status and code.
func (r *reply) openAIError(t testing.TB, status int, code string) openAIErrorBody {
	t.Helper()
	r.expect(t, status)
	var f openAIErrorBody
	r.decode(t, &f)
	if f.Error.Code != code || f.Error.Message == "" || f.Error.Type == "" || r.Header.Get("X-Should-Retry") == "" || r.Header.Get("X-Request-Id") == "" {
		t.Errorf("want code %s; got %s, %v", code, r.body, r.Header)
	}
	return f
}

// draw settles an image job with images that the test can recognize.
func draw(spec *job.Spec) (*job.Record, []store.Product) {
	in, _ := spec.Input.(*job.ImageInput)
	var products []store.Product
	for i := range in.Count() {
		seed := in.SeedOf(i)
		width, height := in.Size()
		products = append(products, store.Product{
			Media: job.Media{Index: i, ContentType: "image/jpeg", Width: width, Height: height, Seed: &seed}, Data: fmt.Append(nil, "image ", i),
		})
	}
	return &job.Record{Status: job.StatusSucceeded, Attempt: 1}, products
}

// openAIMasks replace what differs from run to run.
var openAIMasks = []struct{ pattern, by string }{
	{`"(created|created_at)":[0-9]+`, `"$1":1795773300`},
	{`http://127\.0\.0\.1:[0-9]+/v1/media/[\w-]+`, `http://host/v1/media/token`},
}

func maskOpenAI(body []byte) string {
	text := string(body)
	for _, m := range openAIMasks {
		text = regexp.MustCompile(m.pattern).ReplaceAllString(text, m.by)
	}
	return text
}

// TestOpenAIResponses compares whole responses with golden files, which are what the libraries of OpenAI expect.
func TestOpenAIResponses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	speech := func(*job.Spec) (*job.Record, []store.Product) {
		return &job.Record{Status: job.StatusSucceeded}, []store.Product{{Media: job.Media{ContentType: "audio/mpeg"}, Data: []byte("speech")}}
	}
	samples := func(*job.Spec) (*job.Record, []store.Product) {
		return &job.Record{Status: job.StatusSucceeded}, []store.Product{{Media: job.Media{ContentType: "audio/pcm", SampleRate: 24000, Channels: 1}, Data: []byte("samples")}}
	}
	for name, r := range map[string]struct {
		path string
		body any
		kind job.Kind
		end  func(*job.Spec) (*job.Record, []store.Product)
	}{
		"images_both":          {openAIImages, fields{"prompt": "a", "seed": 7, "user": "u", "unknown": true, "n": nil}, job.KindImage, draw},
		"images_base64":        {openAIImages, fields{"prompt": "a", "seed": 7, "n": 2, "size": "256x128", "response_format": "b64_json", "quality": "hd", "background": "transparent"}, job.KindImage, draw},
		"images_url":           {openAIImages, fields{"prompt": "a", "seed": 7, "model": "dall-e-3", "size": "auto", "response_format": "url"}, job.KindImage, draw},
		"images_stream":        {openAIImages, fields{"prompt": "a", "seed": 7, "n": 2, "model": "gpt-image-1", "stream": true, "partial_images": 2}, job.KindImage, draw},
		"images_stream_failed": {openAIImages, fields{"prompt": "a", "stream": true}, job.KindImage, failJob(job.CodeModerated)},
		"images_moderated":     {openAIImages, fields{"prompt": "a"}, job.KindImage, failJob(job.CodeModerated)},
		"images_failed":        {openAIImages, fields{"prompt": "a"}, job.KindImage, failJob(job.CodeTimeout)},
		"images_invalid":       {openAIImages, fields{"prompt": " ", "n": 5, "size": "big", "background": "transparent", "output_format": "jpeg"}, "", nil},
		"images_model":         {openAIImages, fields{"prompt": "a", "model": "nothing"}, "", nil},
		"speech":               {openAISpeech, fields{"input": "a", "model": "tts-1", "voice": "alloy", "instructions": "x"}, job.KindAudio, speech},
		"speech_voice":         {openAISpeech, fields{"input": "a", "model": "gpt-4o-mini-tts", "voice": fields{"id": "marin"}, "response_format": "pcm"}, job.KindAudio, samples},
		"speech_stream":        {openAISpeech, fields{"input": "a", "stream_format": "sse"}, job.KindAudio, speech},
		"speech_invalid":       {openAISpeech, fields{"voice": 7, "response_format": "mp3", "speed": 2}, "", nil},
		"speech_voice_unknown": {openAISpeech, fields{"input": "a", "model": "kokoro", "voice": "nobody"}, "", nil},
	} {
		if r.end != nil {
			b.work(t, r.kind, r.end)
		}
		resp := b.post(t, r.path, r.body)
		text := fmt.Sprintln(resp.StatusCode, resp.Header.Get("Content-Type"))
		for _, name := range []string{"Warning", "X-Should-Retry", "Retry-After"} {
			for _, value := range resp.Header.Values(name) {
				text += name + ": " + value + "\n"
			}
		}
		golden(t, "openai/"+name+".txt", text+"\n"+maskOpenAI(resp.body))
		if (r.end != nil) != (resp.Header.Get("X-Job-Id") != "") {
			t.Errorf("%s: job %q", name, resp.Header.Get("X-Job-Id"))
		}
	}
}

func TestOpenAIModels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var list struct {
		Object string
		Data   []fields
	}
	b.get(t, "/v1/models").expect(t, http.StatusOK).decode(t, &list)
	if first := list.Data[0]; list.Object != "list" || len(list.Data) < 30 || first["id"] != "flux" || first["object"] != "model" || first["owned_by"] != "black-forest-labs" {
		t.Errorf("got %v", list)
	}
	for _, path := range []string{"flux", "FLUX", "tts-1", "black-forest-labs%2Fflux.1-schnell"} {
		var m fields
		b.raw(t, http.MethodGet, "/v1/models/"+path).expect(t, http.StatusOK).decode(t, &m)
		if m["object"] != "model" || m["id"] != strings.ReplaceAll(path, "%2F", "/") {
			t.Errorf("%s: %v", path, m)
		}
	}
	for _, path := range []string{"nothing", "turbo", "", "..%2F..%2Fapi%2Fadmin"} {
		if e := b.raw(t, http.MethodGet, "/v1/models/"+path).openAIError(t, http.StatusNotFound, "model_not_found"); *e.Error.Param != "model" {
			t.Errorf("%s: %v", path, e)
		}
	}
	b.get(t, "/v1/models", bearer("sk-unknown")).openAIError(t, http.StatusUnauthorized, "invalid_api_key")
	for _, path := range []string{"/v1", "/v1/", "/v1/chat/completions", "/v1/nothing"} {
		b.raw(t, http.MethodGet, path, header("Accept", "text/html")).openAIError(t, http.StatusNotFound, "not_found")
	}
}

// TestOpenAILinks downloads an image by its link, without the identity that owns the job.
func TestOpenAILinks(t *testing.T) {
	t.Parallel()
	clock := time.Now()
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.Now = func() time.Time { return clock } })
	c, owner := guest()
	b.work(t, job.KindImage, draw)
	resp := b.post(t, openAIImages, fields{"prompt": "a"}, cookie(c)).expect(t, http.StatusOK)
	var images struct {
		Data []struct{ URL, B64JSON string }
	}
	resp.decode(t, &images)
	path := strings.TrimPrefix(images.Data[0].URL, b.url)
	got := b.get(t, path).expect(t, http.StatusOK)
	if string(got.body) != "image 0" || got.Header.Get("Content-Type") != "image/jpeg" || strings.Contains(path, owner) {
		t.Errorf("%s: %s, %v", path, got.body, got.Header)
	}
	b.get(t, path, header("Range", "bytes=0-1")).expect(t, http.StatusPartialContent)
	changed := strings.Replace(path, path[len(path)-5:], "AAAAA", 1)
	for _, unknown := range []string{changed, "/v1/media/" + base64.RawURLEncoding.EncodeToString([]byte("too short"))} {
		b.get(t, unknown).openAIError(t, http.StatusNotFound, "media_not_found")
	}
	b.delete(t, resp.Header.Get("Location"), cookie(c)).expect(t, http.StatusNoContent)
	b.get(t, path).openAIError(t, http.StatusNotFound, "not_found")
	b.work(t, job.KindImage, draw)
	b.post(t, openAIImages, fields{"prompt": "a"}).expect(t, http.StatusOK).decode(t, &images)
	clock = clock.Add(time.Hour)
	b.get(t, strings.TrimPrefix(images.Data[0].URL, b.url)).openAIError(t, http.StatusNotFound, "media_not_found")
}

// TestOpenAIOutputFormats requests images in another format than that of the upstream.
func TestOpenAIOutputFormats(t *testing.T) {
	t.Parallel()
	b := setup(t)
	picture := image.NewNRGBA(image.Rect(0, 0, 8, 8)) // It is transparent.
	var encoded bytes.Buffer
	must(t, png.Encode(&encoded, picture))
	for _, tc := range []struct{ wanted, stored, got string }{{"jpeg", "png", "jpeg"}, {"png", "png", "png"}, {"webp", "png", "png"}, {"", "png", "png"}, {"png", "jpeg", "png"}} {
		data := encoded.Bytes()
		if tc.stored == "jpeg" {
			data = jpegImage(t, 8)
		}
		b.work(t, job.KindImage, func(*job.Spec) (*job.Record, []store.Product) {
			return &job.Record{Status: job.StatusSucceeded}, []store.Product{{Media: job.Media{ContentType: "image/" + tc.stored}, Data: data}}
		})
		var images struct {
			OutputFormat string `json:"output_format"`
			Data         []struct {
				URL     string
				B64JSON []byte `json:"b64_json"`
			}
		}
		b.post(t, openAIImages, fields{"prompt": "a", "output_format": tc.wanted}).expect(t, http.StatusOK).decode(t, &images)
		linked := b.get(t, strings.TrimPrefix(images.Data[0].URL, b.url)).expect(t, http.StatusOK)
		decoded, format, err := image.Decode(bytes.NewReader(images.Data[0].B64JSON))
		if err != nil || format != tc.got || images.OutputFormat != tc.got || !bytes.Equal(linked.body, images.Data[0].B64JSON) || linked.Header.Get("Content-Type") != "image/"+tc.got {
			t.Errorf("%v: %s, %s, %v, %v", tc, format, images.OutputFormat, linked.Header, err)
		} else if r, _, _, _ := decoded.At(0, 0).RGBA(); tc.got == "jpeg" && r < 0xfd00 {
			t.Errorf("transparent pixels became %x", r)
		}
		if tc.wanted == "webp" || tc.wanted == "" {
			continue
		}
		if tag := linked.Header.Get("ETag"); strings.HasSuffix(tag, "-"+tc.got+`"`) != (tc.wanted != tc.stored) {
			t.Errorf("%v: %s", tc, tag)
		}
	}
}

// TestOpenAIRepetition repeats a request that took too long, with the key of the first one.
func TestOpenAIRepetition(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.SyncWait = 20 * time.Millisecond })
	body, key := fields{"prompt": "a", "response_format": "b64_json"}, idempotencyKey("stainless-node-retry-1")
	late := b.post(t, openAIImages, body, key)
	late.openAIError(t, http.StatusGatewayTimeout, "still_running")
	late.expectHeaders(t, map[string]string{"X-Should-Retry": "true", "Retry-After": "1", "Idempotent-Replayed": ""})
	id := late.Header.Get("X-Job-Id")
	patient := b.secondProcess(t, func(cfg *server.Config, _ *server.Deps) { cfg.SyncWait = hang })
	b.work(t, job.KindImage, draw)
	first := patient.post(t, openAIImages, body, key).expect(t, http.StatusOK)
	second := b.post(t, openAIImages, body, key).expect(t, http.StatusOK)
	for _, resp := range []*reply{first, second} {
		resp.expectHeaders(t, map[string]string{"X-Job-Id": id, "Location": "/api/jobs/" + id, "Idempotent-Replayed": "true"})
	}
	if string(first.body) != string(second.body) {
		t.Errorf("results differ: %s, %s", first.body, second.body)
	}
	again := b.post(t, openAIImages, body, key, async)
	if v := again.job(t, http.StatusAccepted); v.ID != id || v.Status != "succeeded" {
		t.Errorf("got %s", again.body)
	}
	b.post(t, openAIImages, fields{"prompt": "b"}, key).openAIError(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.post(t, openAIImages, body).expectHeaders(t, map[string]string{"X-Should-Retry": "false"})
	b.work(t, job.KindAudio, failJob(job.CodeUnavailable))
	failed := patient.post(t, openAISpeech, fields{"input": "a"}, idempotencyKey("2"))
	failed.openAIError(t, http.StatusBadGateway, job.CodeUnavailable)
	failed.expectHeaders(t, map[string]string{"X-Should-Retry": "false"})
}

// TestOpenAILibraryRepeats repeats requests as the libraries of OpenAI do after a timeout: without a key, with a count.
func TestOpenAILibraryRepeats(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.SyncWait, cfg.MaxActiveGuest = 20*time.Millisecond, 0 })
	c, owner := guest()
	count := func(n string) option { return header("X-Stainless-Retry-Count", n) }
	post := func(prompt string, options ...option) *reply {
		// A proxy may set the ids of requests.
		return b.post(t, openAIImages, fields{"prompt": prompt}, append(options, cookie(c), header("X-Request-Id", "proxy"))...)
	}
	b.submit(t, fields{"kind": "image", "input": fields{"prompt": "a"}}, cookie(c)) // It has nothing to do with the others.
	first := post("a", count("0"))
	first.openAIError(t, http.StatusGatewayTimeout, "still_running")
	first.expectHeaders(t, map[string]string{"X-Should-Retry": "true", "Retry-After": "1"})
	again := post("a", count("1"))
	again.expectHeaders(t, map[string]string{"X-Job-Id": first.Header.Get("X-Job-Id"), "Idempotent-Replayed": "true", "X-Should-Retry": "true"})
	for name, other := range map[string]*reply{
		"another call": post("a", count("0")), "another request": post("b", count("1")), "another caller": b.post(t, openAIImages, fields{"prompt": "a"}, count("1")),
	} {
		if id := other.Header.Get("X-Job-Id"); id == "" || id == first.Header.Get("X-Job-Id") || other.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: job %q", name, id)
		}
	}
	if n := len(b.queued(t, owner)); n != 4 {
		t.Errorf("%d jobs in the queue", n)
	}
	// One that has been answered is not the one that a repetition means.
	d, _ := guest()
	patient := b.secondProcess(t, func(cfg *server.Config, _ *server.Deps) { cfg.SyncWait = hang })
	b.work(t, job.KindAudio, succeedJob)
	answered := patient.post(t, openAISpeech, fields{"input": "a"}, count("0"), cookie(d)).expect(t, http.StatusOK)
	b.work(t, job.KindAudio, succeedJob)
	next := patient.post(t, openAISpeech, fields{"input": "a"}, count("1"), cookie(d)).expect(t, http.StatusOK)
	if next.Header.Get("X-Job-Id") == answered.Header.Get("X-Job-Id") {
		t.Error("the job of an earlier call was returned")
	}
}

// TestOpenAILimits checks what the libraries of OpenAI do after a refusal.
func TestOpenAILimits(t *testing.T) {
	t.Parallel()
	b := setup(t, behindProxy, withQuota(2, 3), func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveGuest = 1 })
	accepted := b.post(t, openAIImages, fields{"prompt": "a"}, async, fromIP("10.0.0.1")).expect(t, http.StatusAccepted)
	accepted.expectHeaders(t, map[string]string{"X-Ratelimit-Limit-Requests": "2", "X-Ratelimit-Remaining-Requests": "1"})
	if reset, err := time.ParseDuration(accepted.Header.Get("X-Ratelimit-Reset-Requests")); err != nil || reset <= 0 || reset > time.Minute {
		t.Errorf("reset %v, %v", reset, err)
	}
	c, _ := guest()
	b.post(t, openAIImages, fields{"prompt": "a"}, async, cookie(c)).expect(t, http.StatusAccepted)
	daily := setup(t, withQuota(0, 2))
	for name, r := range map[string]struct {
		b           *bundle
		body        fields
		option      option
		code, retry string
	}{
		"minute": {b, fields{"prompt": "a", "n": 2}, fromIP("10.0.0.1"), "rate_limit_exceeded", "true"},
		"never":  {b, fields{"prompt": "a", "n": 3}, fromIP("10.0.0.2"), "rate_limit_exceeded", "false"},
		"day":    {daily, fields{"prompt": "a", "n": 3}, cookie(c), "insufficient_quota", "false"},
		"active": {b, fields{"prompt": "a"}, cookie(c), "rate_limit_exceeded", "true"},
	} {
		resp := r.b.post(t, openAIImages, r.body, r.option)
		resp.openAIError(t, http.StatusTooManyRequests, r.code)
		resp.expectHeaders(t, map[string]string{"X-Should-Retry": r.retry})
		if resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", name)
		}
	}
	eventually(t, "the refusal is logged", func() bool {
		return strings.Count(b.log.String(), `"msg":"submission refused","method":"POST","route":"/v1/images/generations"`) == 3
	})
}

// TestOpenAIStreamFailsLate has a job fail after the stream has begun with a comment.
func TestOpenAIStreamFailsLate(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(10*time.Millisecond))
	r := b.newRequest(t.Context(), t, http.MethodPost, openAISpeech, fields{"input": "a", "stream_format": "sse"})
	resp, err := b.client.Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	if !lines.Scan() || lines.Text() != ": keep-alive" || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %q", resp.StatusCode, lines.Text())
	}
	b.work(t, job.KindAudio, failJob(job.CodeThrottled))
	var last []string
	for lines.Scan() {
		if text := lines.Text(); text != "" && text != ": keep-alive" {
			last = append(last, text)
		}
	}
	if text := strings.Join(last, "\n"); lines.Err() != nil || !strings.HasPrefix(text, "event: error\ndata: {\"error\":{") || !strings.Contains(text, `"code":"upstream_throttled"`) {
		t.Errorf("%v: %s", lines.Err(), text)
	}
}
