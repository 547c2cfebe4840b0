package reference_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

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
	got := render(t, source, "en")
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
		html := string(render(t, source, lang))
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

// TestJSON compares the contract as JSON with the contract itself.
func TestJSON(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	document, err := reference.New(source)
	if err != nil {
		t.Fatal(err)
	}
	data, err := document.JSON()
	if err != nil || !json.Valid(data) {
		t.Fatalf("no JSON: %v", err)
	}
	var got, want any
	if err := errors.Join(yaml.Unmarshal(data, &got), yaml.Unmarshal(source, &want)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the JSON differs from the YAML")
	}
}

func render(t *testing.T, source []byte, lang string) []byte {
	t.Helper()
	document, err := reference.New(source)
	if err != nil {
		t.Fatal(err)
	}
	html, err := document.Render(lang)
	if err != nil {
		t.Fatal(err)
	}
	return html
}

func TestInvalidDocument(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"a: [", "- a\n- b\n"} {
		if _, err := reference.New([]byte(source)); err == nil {
			t.Errorf("%q is accepted", source)
		}
	}
}
