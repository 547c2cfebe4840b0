package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// chineseFile has the Chinese text of every setting with the English text it translates, so that a changed doc tag makes its
// translation visibly outdated.
const chineseFile = "testdata/settings.zh-CN.txt"

const chineseHeader = `# The Chinese texts of deploy/settings.zh-CN.md. An en line is the doc tag of the setting; the zh line translates it.
# After adding a setting or changing a doc tag, run ` + updateSettings + `: it adds the entry with
# "zh: ?", or puts "?" before a translation whose English text has changed. Write the Chinese text in place of the "?",
# and run it again.
`

// settingText identifies a text. A variable may have different texts in different tables.
type settingText struct{ name, en string }

// chineseTexts returns the Chinese text of every setting. It reports each that is missing, outdated or different in
// names or numbers; with -update it also brings the entries of the file up to date.
func chineseTexts(t *testing.T, tables [][]env.Setting) map[settingText]string {
	t.Helper()
	stored, err := os.ReadFile(chineseFile)
	if err != nil {
		t.Fatal(err)
	}
	known := parseChinese(t, string(stored))
	texts := map[settingText]string{}
	var file strings.Builder
	file.WriteString(chineseHeader)
	for _, s := range slices.Concat(tables...) {
		text := settingText{s.Name, s.Doc}
		zh, ok := known[text]
		if !ok {
			zh = outdatedTranslation(known, tables, s.Name)
		}
		texts[text] = zh
		file.WriteString("\n" + s.Name + "\nen: " + s.Doc + "\nzh: " + zh + "\n")
		if strings.HasPrefix(zh, "?") {
			t.Errorf("%s has no Chinese text for %q: run %s, write the text in place of the \"?\" in the zh line of %s in api/%s, and run it again",
				s.Name, s.Doc, updateSettings, s.Name, chineseFile)
			continue
		}
		checkChinese(t, text, zh)
	}
	compareGenerated(t, chineseFile, file.String())
	return texts
}

// parseChinese parses the entries of the file: a name, its en line and its zh line. If an entry occurs twice, as after a merge,
// the one with a text counts.
func parseChinese(t *testing.T, file string) map[settingText]string {
	t.Helper()
	texts := map[settingText]string{}
	var text settingText
	for i, line := range strings.Split(file, "\n") {
		en, isEN := strings.CutPrefix(line, "en: ")
		zh, isZH := strings.CutPrefix(line, "zh: ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case isEN && text.name != "":
			text.en = en
		case isZH && text.en != "":
			if old, ok := texts[text]; !ok || strings.HasPrefix(old, "?") {
				texts[text] = zh
			}
			text = settingText{}
		case variableLine.MatchString(line):
			text = settingText{name: line}
		default:
			t.Fatalf("api/%s:%d: expected a variable, then its en line and its zh line", chineseFile, i+1)
		}
	}
	return texts
}

// outdatedTranslation returns "?", followed by the translation of an earlier English text of the variable if there is one.
func outdatedTranslation(known map[settingText]string, tables [][]env.Setting, name string) string {
	current := map[settingText]bool{}
	for _, s := range slices.Concat(tables...) {
		current[settingText{s.Name, s.Doc}] = true
	}
	for text, zh := range known {
		if text.name == name && !current[text] && zh != "?" {
			return "? " + strings.TrimPrefix(zh, "? ")
		}
	}
	return "?"
}

var (
	variableLine  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	variableNames = regexp.MustCompile(`[A-Z][A-Z0-9]*_[A-Z0-9_]*`)
	numbers       = regexp.MustCompile(`[0-9]+`)
)

// checkChinese reports a translation that is not a Chinese sentence, or mentions other variables or numbers than the original.
func checkChinese(t *testing.T, text settingText, zh string) {
	t.Helper()
	if !strings.ContainsFunc(zh, func(r rune) bool { return unicode.Is(unicode.Han, r) }) || !strings.HasSuffix(zh, "。") {
		t.Errorf("%s: the zh line in api/%s is not a Chinese sentence that ends with 。: %s", text.name, chineseFile, zh)
	}
	for what, pattern := range map[string]*regexp.Regexp{"variables": variableNames, "numbers": numbers} {
		want, got := uniqueMatches(pattern, text.en), uniqueMatches(pattern, zh)
		if !slices.Equal(want, got) {
			t.Errorf("%s: the zh line in api/%s mentions the %s %q, the English text %q", text.name, chineseFile, what, got, want)
		}
	}
}

// uniqueMatches returns what matches, sorted and once each.
func uniqueMatches(pattern *regexp.Regexp, s string) []string {
	matches := map[string]bool{}
	for _, m := range pattern.FindAllString(s, -1) {
		matches[m] = true
	}
	return slices.Sorted(maps.Keys(matches))
}
