package pollinations_test

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
	"github.com/text2image-audio/text2image-audio/worker/upstream/upstreamtest"
)

func TestImage(t *testing.T) {
	t.Parallel()
	img := jpegOf(t, 40, 30)
	rows := []struct {
		name   string
		header []string
		model  string
		hit    bool
	}{
		{"generated", []string{"Content-Type", "image/jpeg", "X-Model-Used", "black-forest-labs/flux.1-schnell", "X-Cache", "MISS"}, "black-forest-labs/flux.1-schnell", false},
		{"from the cache", []string{"Content-Type", "IMAGE/JPEG; x=y", "X-Cache", "HIT", "X-Cache-Type", "EXACT"}, "flux", true},
		{"a hit that was generated", []string{"Content-Type", "image/png", "X-Cache", "HIT", "X-Cache-Type", "GENERATED"}, "flux", false},
		{"safety applied", []string{"Content-Type", "image/jpeg", "X-Safety-Applied", "sexual", "X-Rate-Limited", "false"}, "flux", false},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			got, err := newClient(t, respond(img, r.header...)).Image(t.Context(), pollinations.ImageRequest{Prompt: "x", Model: "flux", Width: 1024, Height: 1024})
			if err != nil {
				t.Fatal(err)
			}
			if got.ContentType != "image/jpeg" || got.Width != 40 || got.Height != 30 || string(got.Data) != string(img) {
				t.Errorf("got %s %dx%d, %d bytes", got.ContentType, got.Width, got.Height, len(got.Data))
			}
			if got.Model != r.model || got.CacheHit != r.hit {
				t.Errorf("model %q, hit %v; want %q, %v", got.Model, got.CacheHit, r.model, r.hit)
			}
		})
	}
}

func TestImageFaults(t *testing.T) {
	t.Parallel()
	img := jpegOf(t, 40, 30)
	isJPEG := []string{"Content-Type", "image/jpeg"}
	with := func(header ...string) []string { return append(isJPEG[:2:2], header...) }
	envelope := `{"success":false,"error":{"message":"Rejected by content moderation: ` + canaryPrompt + `","code":"content_policy_violation"},"status":422}`
	rows := []struct {
		name   string
		body   []byte
		header []string
		class  fault.Class
		code   string
		status int
	}{
		{"page", []byte("<html><title>" + canaryPrompt + "</title></html>"), []string{"Content-Type", "text/html"}, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"page that has the type of an image", []byte("<html></html>"), isJPEG, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"envelope", []byte(envelope), []string{"Content-Type", "application/json"}, fault.Moderated, job.CodeModerated, 422},
		{"some JSON", []byte(`{"prompt":"` + canaryPrompt + `"}`), []string{"Content-Type", "application/json"}, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"no type", img, []string{"Content-Type", ""}, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"empty", nil, isJPEG, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"cut", img[:len(img)-30], isJPEG, fault.Retryable, job.CodeInvalidAnswer, 200},
		{"drawing", []byte(`<svg xmlns="http://www.w3.org/2000/svg"></svg>`), []string{"Content-Type", "image/svg+xml"}, fault.Permanent, job.CodeUnusable, 200},
		{"compressed", img, with("Content-Encoding", "gzip"), fault.Retryable, job.CodeInvalidAnswer, 200},
		{"error image, limited", img, with("X-Rate-Limited", "true", "X-Error-Message", "Retry after 31s. "+canaryPrompt), fault.Throttled, job.CodeThrottled, 429},
		{"error image, limit by type", img, with("X-Error-Type", "rate_limit", "X-Error-Status", "500"), fault.Throttled, job.CodeThrottled, 429},
		{"error image, queue", img, with("X-Error-Type", "QueueFull"), fault.Throttled, job.CodeThrottled, 429},
		{"error image, 429", img, with("X-Error-Status", "429"), fault.Throttled, job.CodeThrottled, 429},
		{"error image, 401", img, with("X-Error-Status", "401", "X-Error-Type", "auth"), fault.Misconfigured, job.CodeMisconfigured, 401},
		{"error image, 400", img, with("X-Error-Status", " 400 ", "X-Error-Message", "bad"), fault.Permanent, job.CodeRejected, 400},
		{"error image, moderation", img, with("X-Error-Status", "400", "X-Error-Message", "Content is prohibited"), fault.Moderated, job.CodeModerated, 400},
		{"error image, 502", img, with("X-Error-Status", "502"), fault.Retryable, job.CodeUnavailable, 502},
		{"error image without a status", img, with("X-Error-Type", "something"), fault.Retryable, job.CodeUnavailable, 503},
		{"error image with a invalid status", img, with("X-Error-Status", "200"), fault.Retryable, job.CodeUnavailable, 503},
		{"known error image", pngOf(t, 3, 3), []string{"Content-Type", "image/png"}, fault.Retryable, job.CodeUnavailable, 200},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, respond(r.body, r.header...))
			known := pngOf(t, 3, 3)
			sum := md5.Sum(known)
			client.AddPlaceholder(hex.EncodeToString(sum[:]), len(known))
			_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: canaryPrompt, Model: "flux"})
			upstreamtest.RequireError(t, err, r.class, r.code)
			f := upstreamtest.Error(t, err)
			if f.Status != r.status || f.Upstream != job.UpstreamImage {
				t.Errorf("status %d of %s, want %d", f.Status, f.Upstream, r.status)
			}
			if r.name == "error image, limited" && f.RetryAfter != 31*time.Second {
				t.Errorf("wait %v", f.RetryAfter)
			}
			upstreamtest.RequireNoSecret(t, f)
		})
	}
}

// TestSmallImageIsNotHashed: an image that is smaller than the error image is not compared with it.
func TestSmallImageIsNotHashed(t *testing.T) {
	t.Parallel()
	img := pngOf(t, 3, 3)
	client := newClient(t, respond(img, "Content-Type", "image/png"))
	sum := md5.Sum(img)
	client.AddPlaceholder(hex.EncodeToString(sum[:]), len(img)+1)
	if _, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: canaryPrompt, Model: "flux"}); err != nil {
		t.Error(err)
	}
}

// An unusable reference image is the caller's error, and its URL is redacted.
func TestReferenceFaults(t *testing.T) {
	t.Parallel()
	const imageURL = "https://secret.example/holiday/yellow.png?signature=abc"
	for _, code := range []string{"failed_to_download_image", "invalid_image_url", "image_too_large", "unsupported_image_media_type"} {
		client := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"success":false,"error":{"message":"Cannot use `+imageURL+`","code":"`+code+`"},"status":400}`)
		})
		_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "x", Model: "kontext", ReferenceImages: []string{imageURL}})
		upstreamtest.RequireError(t, err, fault.Permanent, job.CodeReference)
		f := upstreamtest.Error(t, err)
		upstreamtest.RequireNoSecret(t, f)
		if !strings.Contains(f.Detail, code) || strings.Contains(f.Detail, "holiday") {
			t.Errorf("%s: detail %q", code, f.Detail)
		}
	}
}

func TestLongImageFaults(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]struct {
		body  string
		class fault.Class
		code  string
	}{
		"a URL instead of the bytes": {`{"data":[{"url":"https://example.org/x.jpg"}]}`, fault.Retryable, job.CodeInvalidAnswer},
		"nothing":                    {`{"created":1,"data":[]}`, fault.Retryable, job.CodeInvalidAnswer},
		"no JSON":                    {`{"data":[`, fault.Retryable, job.CodeInvalidAnswer},
		"no base64":                  {`{"data":[{"b64_json":"!!!"}]}`, fault.Retryable, job.CodeInvalidAnswer},
		"not an image":               {`{"data":[{"b64_json":"aGVsbG8="}]}`, fault.Retryable, job.CodeInvalidAnswer},
		"an envelope":                {`{"success":false,"error":{"message":"Insufficient balance.","code":"PAYMENT_REQUIRED"},"status":402}`, fault.Misconfigured, job.CodeMisconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := newClient(t, respond([]byte(r.body), "Content-Type", "application/json"))
			_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: strings.Repeat(canaryPrompt, 100)})
			upstreamtest.RequireError(t, err, r.class, r.code)
			upstreamtest.RequireNoSecret(t, upstreamtest.Error(t, err))
		})
	}
	for name, prefix := range map[string]string{"base64": "", "data URL": "data:image/png;base64,"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"data":[{"b64_json":"` + prefix + base64.RawStdEncoding.EncodeToString(pngOf(t, 5, 6)) + `"}]}`
			client := newClient(t, respond([]byte(body), "Content-Type", "application/json"))
			got, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: strings.Repeat(canaryPrompt, 100)})
			if err != nil || got.Width != 5 || got.Height != 6 || got.ContentType != "image/png" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

// A response of exactly the limit is accepted. A Content-Length above the limit is a permanent error; a response of
// unknown length that exceeds the limit may be retried.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	img := jpegOf(t, 200, 200)
	for _, r := range []struct {
		name   string
		spare  int
		length bool
		class  fault.Class
		code   string
	}{
		{"the limit", 0, false, "", ""},
		{"the limit, with a length", 0, true, "", ""},
		{"longer", -1, false, fault.Retryable, job.CodeInvalidAnswer},
		{"longer, with a length", -1, true, fault.Permanent, job.CodeTooLarge},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			header := []string{"Content-Type", "image/jpeg"}
			if r.length {
				header = append(header, "Content-Length", strconv.Itoa(len(img)))
			}
			client := newClient(t, respond(img, header...), func(c *pollinations.Config) {
				c.SetMaxBytes(int64(len(img)+r.spare), 0)
			})
			_, err := client.Image(t.Context(), pollinations.ImageRequest{Prompt: "x"})
			if r.class == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			upstreamtest.RequireError(t, err, r.class, r.code)
		})
	}
}
