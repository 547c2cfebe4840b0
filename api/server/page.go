package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/reference"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/api/web"
)

// serviceWorker is the path of the script that opens the page without a connection, and so may serve all of its addresses.
const serviceWorker = "/assets/offline.js"

// Page holds the static files: those of the page by path, the contract, and the contract rendered as HTML.
type Page struct {
	index   file
	assets  map[string]file
	openAPI file
	// openAPIJSON is the contract as JSON.
	openAPIJSON func() (file, error)
	// docs is the contract as HTML, by language.
	docs     map[string]func() (file, error)
	hasIndex bool
}

const indexFile = "index.html"

// minCompressed is the size from which a compressed file saves more than its header costs.
const minCompressed = 1000

// file is a static file in memory.
type file struct {
	contentType string
	etag        string
	data        []byte
	// compressed returns the file compressed, by coding. It is compressed when it is first requested, which takes up to
	// 0.2 s; most files of the page are never requested under their own names.
	compressed map[string]func() []byte
	immutable  bool
}

// codings are the content codings of responses, the best one first.
var codings = []string{"br", "gzip"}

func newFile(contentType string, data []byte) file {
	hash := sha256.Sum256(data)
	f := file{contentType: contentType, etag: hex.EncodeToString(hash[:16]), data: data}
	if len(data) < minCompressed || !compressible(contentType) {
		return f
	}
	f.compressed = map[string]func() []byte{
		"br":   sync.OnceValue(func() []byte { return compress(data, brotliWriter) }),
		"gzip": sync.OnceValue(func() []byte { return compress(data, gzipWriter) }),
	}
	return f
}

// compressible reports whether a content type is text; images and fonts are compressed already.
func compressible(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || strings.HasPrefix(contentType, "application/") || contentType == "image/svg+xml"
}

// The highest level of brotli takes three times as long as the one below and saves another two percent. Large files, such as
// the contract, would take a second even there.
const (
	brotliLevel      = 10
	brotliLevelLarge = 6
	largeFile        = 200_000
)

func brotliWriter(w io.Writer, size int) io.WriteCloser {
	if size > largeFile {
		return brotli.NewWriterLevel(w, brotliLevelLarge)
	}
	return brotli.NewWriterLevel(w, brotliLevel)
}

func gzipWriter(w io.Writer, _ int) io.WriteCloser {
	compressor, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return gzip.NewWriter(w)
	}
	return compressor
}

// compress returns nil if that fails, which it does not in memory.
func compress(data []byte, newWriter func(w io.Writer, size int) io.WriteCloser) []byte {
	var b bytes.Buffer
	w := newWriter(&b, len(data))
	if _, err := w.Write(data); err != nil || w.Close() != nil {
		return nil
	}
	return b.Bytes()
}

// NewPage returns the page with the files that web.Build returned, all in memory, and with the contract in YAML, which is served unchanged
// and rendered at /docs. Without files there is no page. It fails if the contract is not valid, or if there are files but no index.html.
// It costs some tens of milliseconds; /docs and the JSON of the contract are made when they are first requested.
func NewPage(files map[string]web.File, openAPI []byte) (*Page, error) {
	document, err := reference.New(openAPI)
	if err != nil {
		return nil, err
	}
	p := &Page{assets: make(map[string]file), openAPI: newFile("application/yaml", openAPI), docs: make(map[string]func() (file, error))}
	p.openAPIJSON = sync.OnceValues(func() (file, error) {
		data, err := document.JSON()
		return newFile("application/json", data), err
	})
	for _, lang := range []string{"en", "zh"} {
		p.docs[lang] = sync.OnceValues(func() (file, error) {
			html, err := document.Render(lang)
			return newFile("text/html; charset=utf-8", html), err
		})
	}
	for name, data := range reference.Assets() {
		p.assets["/assets/"+name] = newFile(assetTypes[path.Ext(name)], data)
	}
	for name, built := range files {
		contentType := assetTypes[strings.ToLower(path.Ext(name))]
		if contentType == "" {
			continue
		}
		f := newFile(contentType, built.Data)
		f.immutable = built.Immutable
		if name == indexFile {
			p.index, p.hasIndex = f, true
			continue
		}
		p.assets["/"+name] = f
	}
	if len(files) > 0 && !p.hasIndex {
		return nil, errors.New("page: no index.html")
	}
	return p, nil
}

// assetTypes maps the file name extensions of the page to content types; other files are not served. The system's table is
// not used, since it differs between machines.
var assetTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".mp3": "audio/mpeg", ".ico": "image/x-icon",
}

// pageHandler serves the page, the contract and /docs.
type pageHandler struct {
	page     *Page
	sessions *session.Sessions
}

// home is GET /. It serves the page and sets the guest cookie.
func (h *pageHandler) home(c *gin.Context) error {
	if !h.page.hasIndex {
		return notFound(c)
	}
	h.sessions.EnsureGuest(c)
	respond.Vary(c, "Cookie")
	static(c, h.page.index)
	return nil
}

// linkTarget serves the page to which emails and Google link. Its URL contains a token, so it must not be sent as a
// referrer. The page asks before it uses a token, so that programs that follow links in emails do not consume it.
func (h *pageHandler) linkTarget(c *gin.Context) error {
	c.Header("Referrer-Policy", "no-referrer")
	return h.home(c)
}

// docs is GET /docs. It serves the contract as a page, in the language of `lang` or else of Accept-Language.
func (h *pageHandler) docs(c *gin.Context) error {
	respond.Vary(c, "Accept-Language")
	render, known := h.page.docs[c.Query("lang")]
	if !known {
		render = h.page.docs[string(problem.Lang(c))]
	}
	f, err := render()
	if err != nil {
		return err
	}
	static(c, f)
	return nil
}

func (h *pageHandler) openAPI(c *gin.Context) error {
	static(c, h.page.openAPI)
	return nil
}

// openAPIJSON is GET /openapi.json, for programs that read no YAML.
func (h *pageHandler) openAPIJSON(c *gin.Context) error {
	f, err := h.page.openAPIJSON()
	if err != nil {
		return err
	}
	static(c, f)
	return nil
}

// asset is GET /assets/*path: a file of the page.
func (h *pageHandler) asset(c *gin.Context) error {
	f, ok := h.page.assets[c.Request.URL.Path]
	if !ok {
		return notFound(c)
	}
	if c.Request.URL.Path == serviceWorker {
		c.Header("Service-Worker-Allowed", "/")
	}
	static(c, f)
	return nil
}

// missing responds to a path without a route: browsers get the page, which says so, and programs the problem.
func (h *pageHandler) missing(c *gin.Context) error {
	if !h.page.hasIndex || c.Request.Method != http.MethodGet || strings.HasPrefix(c.Request.URL.Path, "/api/") ||
		isOpenAIPath(c.Request.URL.Path) || !strings.Contains(c.GetHeader("Accept"), "text/html") {
		return notFound(c)
	}
	respond.Vary(c, "Accept")
	pageHeaders(c, h.page.index)
	c.Data(http.StatusNotFound, h.page.index.contentType, h.page.index.data)
	return nil
}

// pageHeaders sets the headers of a file. Only names that contain a hash can be kept without asking again.
func pageHeaders(c *gin.Context, f file) {
	c.Header("Content-Type", f.contentType)
	c.Header("Content-Security-Policy", pagePolicy)
	if f.immutable {
		c.Header("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		c.Header("Cache-Control", "no-cache")
	}
}

// static responds with a file, compressed if the client accepts that.
func static(c *gin.Context, f file) {
	pageHeaders(c, f)
	data, etag := f.data, f.etag
	if f.compressed != nil {
		respond.Vary(c, "Accept-Encoding")
		for _, coding := range codings {
			if !accepts(c.GetHeader("Accept-Encoding"), coding) {
				continue
			}
			if compressed := f.compressed[coding](); compressed != nil {
				data, etag = compressed, f.etag+"-"+coding
				c.Header("Content-Encoding", coding)
				break
			}
		}
	}
	c.Header("ETag", `"`+etag+`"`)
	c.Request.Header.Del("Range") // The files are small: ranges are not supported.
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader(data))
}

// accepts reports whether a value of Accept-Encoding names a coding and does not exclude it with q=0.
func accepts(accept, wanted string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), wanted) {
			continue
		}
		value, hasWeight := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
		return !hasWeight || strings.Trim(value, "0.") != ""
	}
	return false
}
