// Package web holds the web page: index.html, and in assets/ its style sheet, ES modules, messages in all languages, icons and
// font. There is no build step and no framework: Build joins and names the files when the program starts. Package server
// serves them.
package web

import (
	"embed"
	"io/fs"
	"sync"
)

//go:embed index.html assets
var files embed.FS

// FS returns the files of the page as they are written, with index.html at the root.
func FS() fs.FS { return files }

var built = sync.OnceValues(func() (map[string]File, error) { return Build(files) })

// Files returns what Build makes of FS, which must not be changed. A process builds it once, however many servers it runs.
func Files() (map[string]File, error) { return built() }
