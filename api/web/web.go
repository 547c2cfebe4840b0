// Package web is the page: one HTML document, its style sheet, its ES modules and its sentences in every language,
// embedded as they are written. There is no build step and no framework.
//
// It serves nothing and decides nothing: the page talks to the API like any other client. The document is
// index.html; everything that it loads lies below assets/ and is asked for under /assets/.
package web

import (
	"embed"
	"io/fs"
)

//go:embed index.html assets
var files embed.FS

// FS returns the files of the page, index.html at its root.
func FS() fs.FS { return files }
