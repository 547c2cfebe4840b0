package web_test

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/text2image-audio/text2image-audio/api/web"
)

func pageOf(files map[string]string) fstest.MapFS {
	page := fstest.MapFS{"index.html": {Data: []byte(`<link href="/assets/a.css"><script type="module" src="/assets/js/app.js" data-later="/assets/js/later.js"></script>`)}}
	for name, text := range files {
		page[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return page
}

func TestBuildJoinsModulesAndNamesFilesByContent(t *testing.T) {
	t.Parallel()
	source := pageOf(map[string]string{
		"assets/js/app.js":   "import { a, b as c } from './x.js';\nimport * as y from './y.js';\n// A comment.\n  run(a, c, y);\n",
		"assets/js/x.js":     "import { d } from './y.js';\nexport const a = d;\nexport function b() {}\n",
		"assets/js/y.js":     "export class d {}\n",
		"assets/js/later.js": "import { d } from './y.js';\nimport { e } from './z.js';\nexport function later() {}\n",
		"assets/js/z.js":     "export const e = 1;\n",
		"assets/a.css":       "/* A comment. */\na { src: url(\"/assets/f.woff2\"); }\n",
		"assets/f.woff2":     "font",
	})
	built, err := web.Build(source)
	if err != nil {
		t.Fatal(err)
	}
	hashed := func(pattern string) string {
		found := slices.DeleteFunc(slices.Collect(maps.Keys(built)), func(name string) bool {
			return !built[name].Immutable || !regexp.MustCompile("^"+pattern+"$").MatchString(name)
		})
		if len(found) != 1 {
			t.Fatalf("%s names %v", pattern, found)
		}
		return found[0]
	}
	style, app, later := hashed(`assets/a\.[0-9a-f]{10}\.css`), hashed(`assets/js/app\.[0-9a-f]{10}\.js`), hashed(`assets/js/later\.[0-9a-f]{10}\.js`)
	for _, name := range []string{style, app, later} {
		if !bytes.Contains(built["index.html"].Data, []byte(`"/`+name+`"`)) {
			t.Errorf("index.html does not refer to %s", name)
		}
	}
	if font := hashed(`assets/f\.[0-9a-f]{10}\.woff2`); !strings.Contains(string(built[style].Data), font) || strings.Contains(string(built[style].Data), "comment") {
		t.Errorf("the style sheet is %s", built[style].Data)
	}
	want := "const module0 = (() => {\nclass d {}\nreturn { d };\n})();\n" +
		"const module1 = (() => {\nconst { d } = module0;\nconst a = d;\nfunction b() {}\nreturn { a, b };\n})();\n" +
		"const { a, b: c } = module1;\nconst y = module0;\nrun(a, c, y);\nexport { module0, module1 };"
	if got := string(built[app].Data); got != want {
		t.Errorf("the module is\n%s\nwant\n%s", got, want)
	}
	if got := string(built[later].Data); !strings.HasPrefix(got, "import { module0, module1 } from '/"+app+"';\n") || !strings.Contains(got, "\nexport function later() {}") || strings.Contains(got, "class d") {
		t.Errorf("the module that is loaded later is\n%s", got)
	}
	if plain := built["assets/js/x.js"]; plain.Immutable || string(plain.Data) != string(source["assets/js/x.js"].Data) {
		t.Error("a file is not served under its own name")
	}
}

func TestBuildRejectsWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"a default import": {"assets/js/app.js": "import x from './x.js';\n", "assets/js/x.js": ""},
		"another export":   {"assets/js/app.js": "import { x } from './x.js';\n", "assets/js/x.js": "export default 1;\n"},
		"a circle":         {"assets/js/app.js": "import { x } from './x.js';\n", "assets/js/x.js": "import { y } from './app.js';\n"},
		"a missing module": {"assets/js/app.js": "import { x } from './x.js';\n"},
	} {
		if _, err := web.Build(pageOf(files)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if _, err := web.Build(fstest.MapFS{}); err == nil {
		t.Error("a page without index.html is accepted")
	}
}

// TestPageCanBeShortened finds texts over several lines, whose indentation Build would remove.
func TestPageCanBeShortened(t *testing.T) {
	t.Parallel()
	if _, err := web.Build(web.FS()); err != nil {
		t.Fatal(err)
	}
	for _, name := range filesWith(t, ".js") {
		for n, line := range strings.Split(read(t, name), "\n") {
			if strings.Count(line, "`")%2 == 1 {
				t.Errorf("%s:%d begins or ends a text over several lines", name, n+1)
			}
		}
	}
}
