package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // The style of /docs.
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
)

//go:embed docs/docs.css
var docsCSS []byte

// docsStyle is the path of the style of /docs, among the assets of the page.
const docsStyle = "/assets/docs.css"

// page holds the static files: those of the page by path, the contract, and the contract rendered as HTML.
type page struct {
	index    file
	assets   map[string]file
	openAPI  file
	docs     file
	hasIndex bool
}

const indexFile = "index.html"

// file is a static file in memory.
type file struct {
	contentType string
	etag        string
	data        []byte
}

func newFile(contentType string, data []byte) file {
	hash := sha256.Sum256(data)
	return file{contentType: contentType, etag: `"` + hex.EncodeToString(hash[:16]) + `"`, data: data}
}

// newPage reads all files of the page once.
func newPage(web fs.FS, openAPI []byte) (*page, error) {
	docs, err := renderDocs(openAPI)
	if err != nil {
		return nil, err
	}
	p := &page{
		assets:  map[string]file{docsStyle: newFile("text/css; charset=utf-8", docsCSS)},
		openAPI: newFile("application/yaml", openAPI),
		docs:    newFile("text/html; charset=utf-8", docs),
	}
	if web == nil {
		return p, nil
	}
	err = fs.WalkDir(web, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contentType := assetTypes[strings.ToLower(path.Ext(name))]
		if contentType == "" {
			return nil
		}
		data, err := fs.ReadFile(web, name)
		if err != nil {
			return err
		}
		if name == indexFile {
			p.index, p.hasIndex = newFile(contentType, data), true
			return nil
		}
		p.assets["/"+name] = newFile(contentType, data)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	if !p.hasIndex {
		return nil, errors.New("read page: no index.html")
	}
	return p, nil
}

// assetTypes maps the file name extensions of the page to content types; other files are not served. The system's table is
// not used, since it differs between machines.
var assetTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".json": "application/json", ".webmanifest": "application/manifest+json", ".woff2": "font/woff2",
	".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".ico": "image/x-icon",
}

// pageHandler serves the page, the contract and /docs.
type pageHandler struct {
	page     *page
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

func (h *pageHandler) docs(c *gin.Context) error {
	static(c, h.page.docs)
	return nil
}

func (h *pageHandler) openAPI(c *gin.Context) error {
	static(c, h.page.openAPI)
	return nil
}

// asset is GET /assets/*path: a file of the page.
func (h *pageHandler) asset(c *gin.Context) error {
	f, ok := h.page.assets[c.Request.URL.Path]
	if !ok {
		return notFound(c)
	}
	static(c, f)
	return nil
}

// static responds with a file. Browsers revalidate it at each use, since file names have no version.
func static(c *gin.Context, f file) {
	c.Header("Content-Type", f.contentType)
	c.Header("Content-Security-Policy", pagePolicy)
	c.Header("Cache-Control", "no-cache")
	c.Header("ETag", f.etag)
	c.Request.Header.Del("Range") // The files are small: ranges are not supported.
	http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader(f.data))
}
