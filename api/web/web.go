// Package web embeds the web page: index.html, and below assets/ its style sheets, its ES modules and its messages in
// every language. There is no build step and no framework.
//
// The package only holds files. Package server serves them, those of assets/ under /assets/, and the page calls the API
// like any other client.
package web

import (
	"embed"
	"io/fs"
)

//go:embed index.html assets
var files embed.FS

// FS returns the files of the page, index.html at its root.
func FS() fs.FS { return files }
