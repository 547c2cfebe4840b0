// Package web embeds the web page: index.html, and in assets/ its style sheets, ES modules and messages in all languages.
// There is no build step and no framework. Package server serves the files.
package web

import (
	"embed"
	"io/fs"
)

//go:embed index.html assets
var files embed.FS

// FS returns the files of the page, with index.html at the root.
func FS() fs.FS { return files }
