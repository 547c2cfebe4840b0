package web

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

const index = "index.html"

// File is a file of the page as it is served.
type File struct {
	Data []byte
	// Immutable reports that the name contains a hash of the content, which therefore never changes.
	Immutable bool
}

var (
	reference    = regexp.MustCompile(`"(/assets/[^"#?]+)"`)
	moduleScript = regexp.MustCompile(`<script type="module" src="/(assets/[^"]+)"`)
)

// Build returns the files to serve, by path without a leading slash. Each file that index.html refers to gets a second name
// with a hash of its content, which a browser can keep forever; its references follow. The module that index.html loads is
// joined with all that it imports, so that a page needs few requests. All files are also there under their own names.
//
// It costs a few milliseconds. It fails if there is no index.html, or if a module uses what bundle does not understand.
func Build(source fs.FS) (map[string]File, error) {
	b := builder{source: source, files: map[string]File{}, names: map[string]string{}}
	err := fs.WalkDir(source, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := fs.ReadFile(source, name)
		b.files[name] = File{Data: data}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read page: %w", err)
	}
	page, ok := b.files[index]
	if !ok {
		return nil, errors.New("read page: no index.html")
	}
	if m := moduleScript.FindSubmatch(page.Data); m != nil {
		b.entry = string(m[1])
		if _, err := b.hashed(b.entry); err != nil {
			return nil, err
		}
	}
	page.Data, err = b.rewrite(page.Data)
	if err != nil {
		return nil, err
	}
	page.Data = shorten(page.Data)
	b.files[index] = page
	return b.files, nil
}

type builder struct {
	source fs.FS
	files  map[string]File
	names  map[string]string
	// entry is the module that the page loads; joined is what it consists of.
	entry  string
	joined *joiner
}

// rewrite replaces the references in a file by names with hashes.
func (b *builder) rewrite(data []byte) ([]byte, error) {
	var failed error
	data = reference.ReplaceAllFunc(data, func(quoted []byte) []byte {
		name, err := b.hashed(string(quoted[2 : len(quoted)-1]))
		if err != nil {
			failed = err
		}
		return []byte(`"/` + name + `"`)
	})
	return data, failed
}

// hashed adds a file under a name with the hash of its final content, and returns that name. A file that does not exist keeps
// its name.
func (b *builder) hashed(name string) (string, error) {
	if done, ok := b.names[name]; ok {
		return done, nil
	}
	f, ok := b.files[name]
	if !ok {
		return name, nil
	}
	b.names[name] = name // A file may refer to itself.
	data := f.Data
	var err error
	switch path.Ext(name) {
	case ".js":
		if name == b.entry || importLine.Match(data) {
			data, err = b.bundle(name)
		}
		data = shorten(data)
	case ".css":
		if data, err = b.rewrite(data); err == nil {
			data = shorten([]byte(spaces.Replace(string(data))))
		}
	case ".webmanifest":
		data, err = b.rewrite(data)
	}
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	long := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	b.files[long] = File{Data: data, Immutable: true}
	b.names[name] = long
	return long, nil
}

var comments = regexp.MustCompile(`(?m)^[ \t]*(?://.*|/\*(?:[^*]|\*[^/])*\*/[ \t]*)\n`)

var indentation = regexp.MustCompile(`(?m)^[ \t]+|\n+$`)

// shorten removes the comments that have lines of their own, and the indentation. The page has no texts over several lines,
// which a test checks.
func shorten(data []byte) []byte {
	return indentation.ReplaceAll(comments.ReplaceAll(data, nil), nil)
}

// spaces removes those that a style sheet does not need.
var spaces = strings.NewReplacer(": ", ":", " {", "{", ";\n}", "\n}", "; }", "}", ", ", ",")

var (
	importLine = regexp.MustCompile(`(?m)^import (?:\{ ([^}]+) \}|\* as (\w+)) from '(\.[^']+)';\n`)
	anyImport  = regexp.MustCompile(`(?m)^import\b.*`)
	exportLine = regexp.MustCompile(`(?m)^export ((?:async )?function|class|const) (\w+)`)
	anyExport  = regexp.MustCompile(`(?m)^export\b.*`)
	renamed    = regexp.MustCompile(`(\w+) as (\w+)`)
)

// bundle returns an ES module joined with all modules that it imports, each in a function of its own and in the order in
// which a browser would run them. A module that is loaded later takes those that the page already has from there.
//
// It understands `import { a, b as c } from './x.js';` and `import * as x from './x.js';`, each on one line, and `export` in
// front of a function, class or const. It fails for any other, and for modules that import each other in a circle.
func (b *builder) bundle(name string) ([]byte, error) {
	j := joiner{source: b.source, numbers: map[string]int{}}
	if b.joined != nil {
		j.numbers = maps.Clone(b.joined.numbers)
	}
	known := len(j.numbers)
	if err := j.add(name, nil); err != nil {
		return nil, fmt.Errorf("bundle %s: %w", name, err)
	}
	if name == b.entry {
		b.joined = &j
		return []byte(j.out.String() + "export { " + modules(j.last) + " };\n"), nil
	}
	return []byte("import { " + modules(known-1) + " } from '/" + b.names[b.entry] + "';\n" + j.out.String()), nil
}

// modules names the modules below a number.
func modules(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("module%d", i)
	}
	return strings.Join(names, ", ")
}

type joiner struct {
	source  fs.FS
	numbers map[string]int
	out     strings.Builder
	// last is the number of the module that was added first, which has the highest number.
	last int
}

func (j *joiner) add(name string, above []string) error {
	if slices.Contains(above, name) {
		return fmt.Errorf("%s is imported in a circle", name)
	}
	if _, ok := j.numbers[name]; ok {
		return nil
	}
	data, err := fs.ReadFile(j.source, name)
	if err != nil {
		return err
	}
	code := string(data)
	var imports strings.Builder
	for _, m := range importLine.FindAllStringSubmatch(code, -1) {
		from := path.Join(path.Dir(name), m[3])
		if err := j.add(from, append(above, name)); err != nil {
			return err
		}
		target := m[2]
		if target == "" {
			target = "{ " + renamed.ReplaceAllString(m[1], "$1: $2") + " }"
		}
		fmt.Fprintf(&imports, "const %s = module%d;\n", target, j.numbers[from])
	}
	code = importLine.ReplaceAllString(code, "")
	if other := anyImport.FindString(code); other != "" {
		return fmt.Errorf("%s: %s", name, other)
	}
	var exports []string
	for _, m := range exportLine.FindAllStringSubmatch(code, -1) {
		exports = append(exports, m[2])
	}
	inside := exportLine.ReplaceAllString(code, "$1 $2")
	if other := anyExport.FindString(inside); other != "" {
		return fmt.Errorf("%s: %s", name, other)
	}
	number := len(j.numbers)
	j.numbers[name] = number
	if len(above) == 0 {
		j.last = number
		j.out.WriteString(imports.String() + code)
		return nil
	}
	fmt.Fprintf(&j.out, "const module%d = (() => {\n%s%sreturn { %s };\n})();\n", number, imports.String(), inside, strings.Join(exports, ", "))
	return nil
}
