package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/reference"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
)

// page holds the static files: those of the page by path, the contract, and the contract rendered as HTML.
type page struct {
	index   file
	assets  map[string]file
	openAPI file
	// docs is the contract as HTML, by language.
	docs     map[string]file
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
	p := &page{assets: make(map[string]file), openAPI: newFile("application/yaml", openAPI), docs: make(map[string]file)}
	for _, lang := range []string{"en", "zh"} {
		docs, err := reference.Render(openAPI, lang)
		if err != nil {
			return nil, err
		}
		p.docs[lang] = newFile("text/html; charset=utf-8", docs)
	}
	if err := p.add(reference.Assets); err != nil {
		return nil, err
	}
	if web == nil {
		return p, nil
	}
	if err := p.add(web); err != nil {
		return nil, err
	}
	if !p.hasIndex {
		return nil, errors.New("read page: no index.html")
	}
	return p, nil
}

// add reads the files of a file system.
func (p *page) add(files fs.FS) error {
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		contentType := assetTypes[strings.ToLower(path.Ext(name))]
		if contentType == "" {
			return nil
		}
		data, err := fs.ReadFile(files, name)
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
		return fmt.Errorf("read page: %w", err)
	}
	return nil
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

// docs is GET /docs. It serves the contract as a page, in the language of `lang` or else of Accept-Language.
func (h *pageHandler) docs(c *gin.Context) error {
	respond.Vary(c, "Accept-Language")
	f, known := h.page.docs[c.Query("lang")]
	if !known {
		f = h.page.docs[string(problem.Lang(c))]
	}
	static(c, f)
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
