package server_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/api/web"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for path, want := range map[string]struct{ contentType, body string }{
		"/":                 {"text/html; charset=utf-8", "<!doctype html><title>Page</title>"},
		"/assets/js/app.js": {"text/javascript; charset=utf-8", "export {};"},
		"/assets/a.css":     {"text/css; charset=utf-8", "body{}"},
		"/openapi.yaml":     {"application/yaml", contractText},
		"/openapi.json":     {"application/json", contractJSON},
	} {
		resp := b.get(t, path).expect(t, http.StatusOK)
		if string(resp.body) != want.body || resp.Header.Get("Content-Type") != want.contentType || resp.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v %s", path, resp.Header, resp.body)
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %s", path, policy)
		}
		etag := resp.Header.Get("ETag")
		again := b.get(t, path, header("If-None-Match", etag))
		if etag == "" || again.StatusCode != http.StatusNotModified || len(again.body) > 0 {
			t.Errorf("%s with its ETag %s: %d", path, etag, again.StatusCode)
		}
		if part := b.get(t, path, header("Range", "bytes=900000-")); part.StatusCode != http.StatusOK {
			t.Errorf("%s with a range: %d", path, part.StatusCode)
		}
		if head := b.head(t, path); head.StatusCode != http.StatusOK || head.ContentLength != int64(len(want.body)) {
			t.Errorf("HEAD %s: %d, %d bytes", path, head.StatusCode, head.ContentLength)
		}
	}
	if policy := b.get(t, "/livez").Header.Get("Content-Security-Policy"); policy != "default-src 'none'; frame-ancestors 'none'" {
		t.Errorf("policy of an API response: %s", policy)
	}
}

// TestAssetsAreCompressedAndKept reads a page whose style sheet is long enough to be compressed.
func TestAssetsAreCompressedAndKept(t *testing.T) {
	t.Parallel()
	style := strings.Repeat("a{color:red}\n", 200)
	files, err := web.Build(fstest.MapFS{"index.html": {Data: []byte(`<link href="/assets/long.css">`)}, "assets/long.css": {Data: []byte(style)}})
	must(t, err)
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.Page = newPage(t, files, contractText) })
	path := strings.Split(string(b.get(t, "/").body), `"`)[1]
	zipped := b.get(t, path, header("Accept-Encoding", "deflate, gzip, br;q=0")).expect(t, http.StatusOK)
	brotlied := b.get(t, path, header("Accept-Encoding", "gzip, deflate, br")).expect(t, http.StatusOK)
	plain := b.get(t, path, header("Accept-Encoding", "gzip;q=0")).expect(t, http.StatusOK)
	if zipped.Header.Get("Content-Encoding") != "gzip" || len(zipped.body) > len(style)/10 || zipped.Header.Get("Vary") == "" {
		t.Errorf("%d bytes with %v", len(zipped.body), zipped.Header)
	}
	if plain.Header.Get("Content-Encoding") != "" || string(plain.body) != strings.TrimSpace(style) {
		t.Errorf("uncompressed: %v", plain.Header)
	}
	decoded, err := io.ReadAll(brotli.NewReader(bytes.NewReader(brotlied.body)))
	must(t, err)
	if brotlied.Header.Get("Content-Encoding") != "br" || string(decoded) != strings.TrimSpace(style) {
		t.Errorf("brotli: %v", brotlied.Header)
	}
	if zipped.Header.Get("ETag") == plain.Header.Get("ETag") || zipped.Header.Get("ETag") == brotlied.Header.Get("ETag") {
		t.Error("the compressed file has the ETag of the other")
	}
	for _, resp := range []*reply{zipped, brotlied, plain} {
		if cache := resp.Header.Get("Cache-Control"); !strings.Contains(cache, "immutable") {
			t.Errorf("Cache-Control: %s", cache)
		}
	}
	if again := b.get(t, path, header("Accept-Encoding", "gzip"), header("If-None-Match", zipped.Header.Get("ETag"))); again.StatusCode != http.StatusNotModified {
		t.Errorf("with the ETag: %d", again.StatusCode)
	}
}

// TestBrowsersGetThePageForUnknownPaths compares browsers with other clients.
func TestBrowsersGetThePageForUnknownPaths(t *testing.T) {
	t.Parallel()
	b := setup(t)
	browser := header("Accept", "text/html,application/xhtml+xml")
	page := b.get(t, "/nowhere", browser).expect(t, http.StatusNotFound)
	if !strings.Contains(string(page.body), "<title>") || page.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%v %s", page.Header, page.body)
	}
	for _, resp := range []*reply{b.get(t, "/nowhere"), b.get(t, "/api/nowhere", browser)} {
		if resp.expect(t, http.StatusNotFound); !strings.Contains(string(resp.body), "not_found") {
			t.Errorf("%s", resp.body)
		}
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	html := string(b.get(t, "/docs").expect(t, http.StatusOK).body)
	for _, want := range []string{"A &lt;title&gt;", "/api/jobs/{id}", "Read a job", "Its id.", "There is none.", "The job.", "GET"} {
		if !strings.Contains(html, want) {
			t.Errorf("no %q", want)
		}
	}
	html = strings.ReplaceAll(html, `<script type="module" src="/assets/docs.js"></script>`, "")
	html = strings.ReplaceAll(html, "https://api.example.com", "") // In the examples, which are not links.
	for _, never := range []string{"<script", "<style", "style=", "onclick", "http://", "https://"} {
		if strings.Contains(html, never) {
			t.Errorf("%q in the page", never)
		}
	}
	b.get(t, "/assets/docs.js").expect(t, http.StatusOK).expectHeaders(t, map[string]string{"Content-Type": "text/javascript; charset=utf-8"})
	for path, lang := range map[string]string{"/docs?lang=zh": "zh", "/docs?lang=en": "en", "/docs?lang=fr": "en"} {
		if got := string(b.get(t, path).expect(t, http.StatusOK).body); !strings.Contains(got, `<html lang="`+lang+`">`) {
			t.Errorf("%s is not in %s", path, lang)
		}
	}
	chinese := string(b.get(t, "/docs", header("Accept-Language", "zh-CN")).expect(t, http.StatusOK).body)
	if !strings.Contains(chinese, `<html lang="zh">`) || !strings.Contains(chinese, "请求") {
		t.Error("Accept-Language is ignored")
	}
	if css := b.get(t, "/assets/docs.css").expect(t, http.StatusOK); !strings.Contains(html, `href="/assets/docs.css"`) || len(css.body) == 0 {
		t.Error("the stylesheet of the page is not served")
	}
}

func TestDocsShowTheWholeContract(t *testing.T) {
	t.Parallel()
	contract, err := os.ReadFile("../openapi.yaml")
	must(t, err)
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.Page = newPage(t, pageFiles(), string(contract)) })
	html := string(b.get(t, "/docs").body)
	for _, r := range b.server.Routes() {
		path := r.Path
		for _, name := range []string{"id", "index", "kind", "name", "token"} {
			path = strings.ReplaceAll(path, ":"+name, "{"+name+"}")
		}
		path = strings.NewReplacer("*path", "{path}", "*id", "{id}").Replace(path)
		if !strings.Contains(html, "<code>"+path+"</code>") {
			t.Errorf("no %s", path)
		}
	}
}

func TestInvalidPagesAreRejectedAtStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files    map[string]web.File
		contract string
	}{
		"no index":       {map[string]web.File{"assets/a.css": {}}, contractText},
		"no contract":    {pageFiles(), "a: ["},
		"a list in YAML": {pageFiles(), "- a\n- b\n"},
	} {
		if _, err := server.NewPage(c.files, []byte(c.contract)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, change := range map[string]func(*server.Deps){
		"no page":   func(d *server.Deps) { d.Page = nil },
		"no secret": func(d *server.Deps) { d.Secret = nil },
	} {
		deps := minimalDeps(t, telemetry.NewMetrics())
		change(&deps)
		if _, err := server.New(loadConfig(t), deps); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := server.New(loadConfig(t), minimalDeps(t, telemetry.NewMetrics())); err != nil {
		t.Error(err)
	}
}
