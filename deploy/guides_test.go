package deploy_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const chinese = ".zh-CN.md"

// untranslated lists the files in this directory without a Chinese twin, with the reason.
var untranslated = map[string]string{
	"deploy/third-party.md": "licence notices: names, licences and trademarks stay as their owners write them",
}

// document is the structure of a Markdown file.
type document struct {
	headings []int           // the levels of the headings, in order
	anchors  map[string]bool // the fragments of the headings on GitHub
	blocks   []codeBlock
	tables   []int // the number of rows of each table, including its header
	links    []string
}

// codeBlock is a fenced block: its language and its lines.
type codeBlock struct {
	language string
	lines    []string
}

var (
	fence       = regexp.MustCompile("^ *(```+|~~~+) *([^ `]*)")
	heading     = regexp.MustCompile(`^(#{1,6}) +(.*?)[ #]*$`)
	inlineCode  = regexp.MustCompile("`[^`]*`")
	inlineLink  = regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)`)
	linkText    = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	definition  = regexp.MustCompile(`^ {0,3}\[[^\]]+\]: +<?([^\s>]+)`)
	htmlLink    = regexp.MustCompile(`<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)"`)
	htmlAnchor  = regexp.MustCompile(`\b(?:id|name)="([^"]+)"`)
	codeComment = regexp.MustCompile(`(^|\s+)#( .*)?$`)
	sourceLine  = regexp.MustCompile(`^L[0-9]+(-L[0-9]+)?$`)
)

// parse parses the subset of Markdown that this project uses.
func parse(text string) document {
	d := document{anchors: map[string]bool{}}
	var closing string
	rows := 0
	for line := range strings.SplitSeq(text+"\n", "\n") {
		if m := fence.FindStringSubmatch(line); m != nil && (closing == "" || strings.HasPrefix(m[1], closing) && m[2] == "") {
			if closing != "" {
				closing = ""
				continue
			}
			closing = m[1]
			d.blocks = append(d.blocks, codeBlock{language: m[2]})
			continue
		}
		if closing != "" {
			last := &d.blocks[len(d.blocks)-1]
			last.lines = append(last.lines, line)
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(line), "|") {
			rows++
		} else if rows > 0 {
			d.tables, rows = append(d.tables, rows), 0
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			d.headings = append(d.headings, len(m[1]))
			d.addAnchor(m[2])
		}
		plain := inlineCode.ReplaceAllString(line, "")
		for _, m := range htmlAnchor.FindAllStringSubmatch(plain, -1) {
			d.anchors[m[1]] = true
		}
		for _, pattern := range []*regexp.Regexp{inlineLink, definition, htmlLink} {
			for _, m := range pattern.FindAllStringSubmatch(plain, -1) {
				d.links = append(d.links, m[1])
			}
		}
	}
	return d
}

// addAnchor adds the fragment of a heading as GitHub derives it.
func (d *document) addAnchor(text string) {
	text = linkText.ReplaceAllString(text, "$1")
	slug := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.In(r, unicode.Letter, unicode.Number, unicode.Mark):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
	unique := slug
	for n := 1; d.anchors[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", slug, n)
	}
	d.anchors[unique] = true
}

// commands returns the lines of the block without comments, which are the same in every language.
func (b codeBlock) commands() []string {
	var lines []string
	for _, line := range b.lines {
		if line = strings.TrimRight(codeComment.ReplaceAllString(line, ""), " \t"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// prose reports whether the block is translated: a diagram, a template or the output of a program.
func (b codeBlock) prose() bool {
	return slices.Contains([]string{"", "text", "mermaid", "markdown", "md"}, b.language)
}

// documents parses all Markdown files of the repository, keyed by path.
func documents(t *testing.T) map[string]document {
	t.Helper()
	all := map[string]document{}
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && name != ".." && entry.Name() != ".github"
		if entry.IsDir() && (hidden || slices.Contains([]string{"../bin", "../data"}, filepath.ToSlash(name))) {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		all[strings.TrimPrefix(filepath.ToSlash(name), "../")] = parse(string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestGuidesInBothLanguages compares each guide with its Chinese twin.
func TestGuidesInBothLanguages(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for name := range untranslated {
		if _, ok := all[name]; !ok {
			t.Errorf("%s is exempted but does not exist", name)
		}
	}
	guides := 0
	for name, english := range all {
		if original, ok := strings.CutSuffix(name, chinese); ok {
			if _, ok := all[original+".md"]; !ok {
				t.Errorf("%s has no English original", name)
			}
			continue
		}
		if !strings.HasPrefix(name, "deploy/") && name != "README.md" || untranslated[name] != "" {
			continue
		}
		guides++
		twin := strings.TrimSuffix(name, ".md") + chinese
		translated, ok := all[twin]
		if !ok {
			t.Errorf("%s has no Chinese twin %s; only the files in the variable untranslated need none", name, twin)
			continue
		}
		if !slices.Equal(english.headings, translated.headings) {
			t.Errorf("%s has headings of the levels %v, %s %v", name, english.headings, twin, translated.headings)
		}
		if !slices.Equal(english.tables, translated.tables) {
			t.Errorf("%s has tables of %v rows, %s %v", name, english.tables, twin, translated.tables)
		}
		compareBlocks(t, name, english, translated)
	}
	if guides < 6 {
		t.Errorf("found %d guides", guides)
	}
}

// compareBlocks reports code blocks that differ in more than their comments.
func compareBlocks(t *testing.T, name string, english, translated document) {
	t.Helper()
	if len(english.blocks) != len(translated.blocks) {
		t.Errorf("%s has %d code blocks, its twin %d", name, len(english.blocks), len(translated.blocks))
		return
	}
	for i, block := range english.blocks {
		other := translated.blocks[i]
		if block.language != other.language {
			t.Errorf("%s: code block %d is %q, in its twin %q", name, i+1, block.language, other.language)
			continue
		}
		if block.prose() {
			continue
		}
		want, got := block.commands(), other.commands()
		for n := range max(len(want), len(got)) {
			if n >= len(want) || n >= len(got) || want[n] != got[n] {
				t.Errorf("%s: code block %d differs in its twin from line %d on (comments not counted):\n%s\nin the twin:\n%s",
					name, i+1, n+1, strings.Join(want[min(n, len(want)):], "\n"), strings.Join(got[min(n, len(got)):], "\n"))
				break
			}
		}
	}
}

// TestLinksOfDocuments checks that the file and heading of every relative link exist, and that Chinese guides link to
// Chinese ones.
func TestLinksOfDocuments(t *testing.T) {
	t.Parallel()
	all := documents(t)
	followed := 0
	for name, d := range all {
		for _, link := range d.links {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: link %q: %v", name, link, err)
				continue
			}
			if u.IsAbs() || u.Host != "" {
				continue
			}
			followed++
			target := name
			switch {
			case strings.HasPrefix(u.Path, "/"):
				target = path.Clean(strings.TrimPrefix(u.Path, "/"))
			case u.Path != "":
				target = path.Join(path.Dir(name), u.Path)
			}
			if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: link %q leads to no file", name, link)
				continue
			}
			doc, isDocument := all[target]
			if u.Fragment != "" && isDocument && !doc.anchors[u.Fragment] {
				t.Errorf("%s: link %q leads to no heading of %s", name, link, target)
			}
			if u.Fragment != "" && !isDocument && !sourceLine.MatchString(u.Fragment) {
				t.Errorf("%s: link %q has a fragment, but %s has no headings", name, link, target)
			}
			twin := strings.TrimSuffix(target, ".md") + chinese
			_, hasTwin := all[twin]
			if strings.HasSuffix(name, chinese) && hasTwin && twin != name {
				t.Errorf("%s: link %q leads to the English guide; link to %s", name, link, path.Base(twin))
			}
		}
	}
	if followed < 20 {
		t.Errorf("found %d relative links", followed)
	}
}

// TestParseDocument tests the parser that the other tests rely on.
func TestParseDocument(t *testing.T) {
	t.Parallel()
	d := parse(strings.Join([]string{
		"# A `code` title: with [a link](x.md#y)", "", "## 如果 NATS 出现故障", "## Same", "## Same ##",
		"| a | b |", "|---|---|", "| `[no](link)` | [one](b.md \"title\") |", "",
		"```sh", "# comment", "run --all  # explained", "curl 'http://h/#frag'", "# not a heading", "```",
		"<a id=\"own\"></a> <img src=\"c.png\">", "", "[def]: d.md", "![image](e.png)",
	}, "\n"))
	if want := []int{1, 2, 2, 2}; !slices.Equal(d.headings, want) {
		t.Errorf("headings %v, want %v", d.headings, want)
	}
	for _, anchor := range []string{"a-code-title-with-a-link", "如果-nats-出现故障", "same", "same-1", "own"} {
		if !d.anchors[anchor] {
			t.Errorf("no anchor %q in %v", anchor, d.anchors)
		}
	}
	if want := []string{"x.md#y", "b.md", "c.png", "d.md", "e.png"}; !slices.Equal(d.links, want) {
		t.Errorf("links %q, want %q", d.links, want)
	}
	if want := []int{3}; !slices.Equal(d.tables, want) {
		t.Errorf("tables %v, want %v", d.tables, want)
	}
	if len(d.blocks) != 1 || d.blocks[0].language != "sh" {
		t.Fatalf("blocks %+v", d.blocks)
	}
	if want, got := []string{"run --all", "curl 'http://h/#frag'"}, d.blocks[0].commands(); !slices.Equal(got, want) {
		t.Errorf("commands %q, want %q", got, want)
	}
}
