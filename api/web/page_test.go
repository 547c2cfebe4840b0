package web_test

import (
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/text2image-audio/text2image-audio/api/web"
)

// read returns the content of a file of the page.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := fs.ReadFile(web.FS(), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// filesWith returns the paths of all files with one of the extensions.
func filesWith(t *testing.T, extensions ...string) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(web.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains(extensions, path.Ext(name)) {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatalf("no file has an extension of %v", extensions)
	}
	return names
}

// elements returns all elements of index.html in document order.
func elements(t *testing.T) []*html.Node {
	t.Helper()
	document, err := html.Parse(strings.NewReader(read(t, "index.html")))
	if err != nil {
		t.Fatal(err)
	}
	var list []*html.Node
	for node := range document.Descendants() {
		if node.Type == html.ElementNode {
			list = append(list, node)
		}
	}
	return list
}

// attribute returns the value of an attribute and whether it is there.
func attribute(node *html.Node, name string) (string, bool) {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

// text returns the text directly inside an element.
func text(node *html.Node) string {
	var b strings.Builder
	for child := range node.ChildNodes() {
		if child.Type == html.TextNode {
			b.WriteString(child.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

func TestDocumentFollowsTheContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	for _, node := range elements(t) {
		if node.Data == "style" {
			t.Error("a style element is not allowed")
		}
		if _, external := attribute(node, "src"); node.Data == "script" && !external {
			t.Error("a script without src is not allowed")
		}
		for _, a := range node.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style":
				t.Errorf("<%s %s> is not allowed", node.Data, a.Key)
			case strings.HasPrefix(strings.TrimSpace(a.Val), "javascript:"), strings.Contains(a.Val, "//"):
				t.Errorf("<%s %s=%q> refers to another origin", node.Data, a.Key, a.Val)
			}
		}
	}
}

func TestScriptsCreateNoMarkup(t *testing.T) {
	t.Parallel()
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|setAttribute\('(?:style|on)`)
	address := regexp.MustCompile(`https?://[^\s'"]+`)
	for _, name := range filesWith(t, ".js") {
		source := read(t, name)
		if found := forbidden.FindString(source); found != "" {
			t.Errorf("%s uses %s", name, found)
		}
		for _, found := range address.FindAllString(source, -1) {
			if found != "http://www.w3.org/2000/svg" {
				t.Errorf("%s contains the URL %s", name, found)
			}
		}
	}
}

// TestEveryFileIsReferenced follows the references from index.html.
func TestEveryFileIsReferenced(t *testing.T) {
	t.Parallel()
	imported := regexp.MustCompile(`(?m)^import\s[^;]*?['"]([^'"]+)['"]`)
	inStyle := regexp.MustCompile(`url\("?([^")]*)|@import (.*)`)
	asset := regexp.MustCompile(`"/(assets/[^"]+)"`)
	var pending []string
	for _, node := range elements(t) {
		// Scripts name in data- attributes what they load later.
		for _, a := range node.Attr {
			if (a.Key == "src" || a.Key == "href" || strings.HasPrefix(a.Key, "data-")) && strings.HasPrefix(a.Val, "/assets/") {
				pending = append(pending, a.Val[1:])
			}
		}
	}
	// The script of the service worker is registered by app.js.
	if !strings.Contains(read(t, "assets/js/app.js"), "register('/assets/offline.js'") {
		t.Error("the service worker is not registered")
	}
	pending = append(pending, "assets/offline.js")
	seen := map[string]bool{}
	for len(pending) > 0 {
		name := pending[0]
		pending = pending[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		source := read(t, name)
		if path.Ext(name) == ".css" {
			for _, m := range inStyle.FindAllStringSubmatch(source, -1) {
				if !strings.HasPrefix(m[1], "/assets/") {
					t.Errorf("%s refers to %s%s", name, m[1], m[2])
				}
			}
		}
		if slices.Contains([]string{".css", ".webmanifest"}, path.Ext(name)) {
			for _, m := range asset.FindAllStringSubmatch(source, -1) {
				pending = append(pending, m[1])
			}
		}
		for _, m := range imported.FindAllStringSubmatch(source, -1) {
			pending = append(pending, path.Join(path.Dir(name), m[1]))
		}
	}
	for _, name := range filesWith(t, ".js", ".css", ".svg", ".png", ".webp", ".mp3", ".woff2", ".webmanifest") {
		if !seen[name] {
			t.Errorf("%s is not referenced", name)
		}
	}
}

func TestIDsAreUniqueAndExist(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	nodes := elements(t)
	for _, node := range nodes {
		if id, ok := attribute(node, "id"); ok {
			if ids[id] {
				t.Errorf("two elements have the id %q", id)
			}
			ids[id] = true
		}
	}
	for _, node := range nodes {
		for _, key := range []string{"for", "aria-controls", "aria-labelledby", "aria-describedby"} {
			value, _ := attribute(node, key)
			for id := range strings.FieldsSeq(value) {
				if !ids[id] {
					t.Errorf("<%s %s=%q> refers to no element", node.Data, key, id)
				}
			}
		}
	}
	byID := regexp.MustCompile(`byId\('([^']+)'\)`)
	for _, name := range filesWith(t, ".js") {
		for _, m := range byID.FindAllStringSubmatch(read(t, name), -1) {
			if !ids[m[1]] {
				t.Errorf("%s looks up #%s, which does not exist", name, m[1])
			}
		}
	}
}

func TestEveryControlHasALabel(t *testing.T) {
	t.Parallel()
	nodes := elements(t)
	labelled := map[string]bool{}
	for _, node := range nodes {
		if id, ok := attribute(node, "for"); ok && node.Data == "label" {
			labelled[id] = true
		}
	}
	for _, node := range nodes {
		if node.Data != "input" && node.Data != "select" && node.Data != "textarea" {
			continue
		}
		id, _ := attribute(node, "id")
		inside := false
		for parent := range node.Ancestors() {
			inside = inside || parent.Data == "label"
		}
		if !labelled[id] && !inside {
			t.Errorf("<%s id=%q> has no label", node.Data, id)
		}
	}
}
