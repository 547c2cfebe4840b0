package reference_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server/internal/reference"
)

var update = flag.Bool("update", false, "write the golden file")

// TestRender compares a page that has one of everything with testdata/page.html.
func TestRender(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("testdata/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := reference.Render(source, "en")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/page.html"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the page differs from %s; look at the difference after `go test -update`", golden)
	}
}

// TestContract renders the whole contract: every link within the page has a target, every operation an example of its request,
// and no label is missing in either language.
func TestContract(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"en", "zh"} {
		data, err := reference.Render(source, lang)
		if err != nil {
			t.Fatal(err)
		}
		html := string(data)
		for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if !strings.Contains(html, ` id="`+m[1]+`"`) {
				t.Errorf("%s: no target of #%s", lang, m[1])
			}
		}
		ids := make(map[string]bool)
		for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(html, -1) {
			if ids[m[1]] {
				t.Errorf("%s: the id %s is used twice", lang, m[1])
			}
			ids[m[1]] = true
		}
		if operations := strings.Count(html, "<article id=") - strings.Count(html, `<article id="schema-`); strings.Count(html, "<code>curl") != operations {
			t.Errorf("%s: %d operations and %d commands", lang, operations, strings.Count(html, "<code>curl"))
		}
		if strings.Contains(html, "&lt;no value&gt;") || strings.Contains(html, "<h4></h4>") || strings.Contains(html, "MapItem") {
			t.Errorf("%s: a value is missing", lang)
		}
	}
}

func TestRenderFails(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"a: [", "- a\n- b\n"} {
		if _, err := reference.Render([]byte(source), "en"); err == nil {
			t.Errorf("%q is accepted", source)
		}
	}
}
