package web_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// sentences reads the table of one language, which is written as JSON in a module.
func sentences(t *testing.T, language string) map[string]string {
	t.Helper()
	source := read(t, "assets/i18n/"+language+".js")
	_, object, found := strings.Cut(source, "export default ")
	if !found {
		t.Fatalf("%s.js has no default export", language)
	}
	d := json.NewDecoder(strings.NewReader(object))
	table := map[string]string{}
	if err := d.Decode(&table); err != nil {
		t.Fatalf("%s.js: %v", language, err)
	}
	if lines := len(regexp.MustCompile(`(?m)^\s+"`).FindAllString(source, -1)); lines != len(table) {
		t.Errorf("%s.js has %d lines for %d keys: one stands twice", language, lines, len(table))
	}
	return table
}

func gaps(sentence string) []string {
	found := regexp.MustCompile(`\{\w+\}`).FindAllString(sentence, -1)
	slices.Sort(found)
	return found
}

func TestLanguagesHaveTheSameSentences(t *testing.T) {
	t.Parallel()
	en, zh := sentences(t, "en"), sentences(t, "zh")
	for key, sentence := range en {
		other, ok := zh[key]
		if !ok {
			t.Errorf("zh.js lacks %q", key)
			continue
		}
		if !slices.Equal(gaps(sentence), gaps(other)) {
			t.Errorf("%q has the gaps %v in English and %v in Chinese", key, gaps(sentence), gaps(other))
		}
		if sentence == "" || other == "" {
			t.Errorf("%q is empty", key)
		}
	}
	for key := range zh {
		if _, ok := en[key]; !ok {
			t.Errorf("en.js lacks %q", key)
		}
	}
}

// usedKeys returns the keys that the page names, and the beginnings of those that it puts together.
func usedKeys(t *testing.T) (keys, beginnings []string) {
	t.Helper()
	for _, node := range elements(t) {
		for _, a := range node.Attr {
			if a.Key == "data-i18n" || strings.HasPrefix(a.Key, "data-i18n-") {
				keys = append(keys, a.Val)
			}
		}
	}
	call := regexp.MustCompile(`\b(?:t|button)\((.*)`)
	literal := regexp.MustCompile(`'([a-z]+(?:\.[a-z_]+)+)'`)
	joined := regexp.MustCompile("`([a-z]+\\.)\\$\\{")
	for _, name := range filesOf(t, ".js") {
		if strings.Contains(name, "/i18n/") {
			continue
		}
		source := read(t, name)
		for _, line := range call.FindAllString(source, -1) {
			for _, m := range literal.FindAllStringSubmatch(line, -1) {
				keys = append(keys, m[1])
			}
		}
		for _, m := range joined.FindAllStringSubmatch(source, -1) {
			beginnings = append(beginnings, m[1])
		}
	}
	return keys, beginnings
}

func TestUsedSentencesExist(t *testing.T) {
	t.Parallel()
	en := sentences(t, "en")
	keys, beginnings := usedKeys(t)
	for _, code := range job.FailureCodes() {
		keys = append(keys, "failure."+code)
	}
	for _, kind := range job.Kinds() {
		keys = append(keys, "kind."+string(kind), "tab."+string(kind))
	}
	for _, status := range job.Statuses() {
		keys = append(keys, "status."+string(status))
		if status.Terminal() {
			keys = append(keys, "announce."+string(status))
		}
	}
	for _, stage := range []job.Stage{job.StageOptimizing, job.StageGenerating, job.StageStoring} {
		keys = append(keys, "stage."+string(stage))
	}
	for _, cancel := range []job.CancelKind{job.CancelBeforeStart, job.CancelWhileRunning} {
		keys = append(keys, "cancel."+string(cancel))
	}
	for _, m := range regexp.MustCompile(`code: '(\w+)'`).FindAllStringSubmatch(read(t, "assets/js/fields.js")+read(t, "assets/js/choices.js"), -1) {
		keys = append(keys, "invalid."+m[1])
	}
	for _, m := range regexp.MustCompile(`#say\('(\w+)'\)|\? '(\w+)' : '(\w+)'\)`).FindAllStringSubmatch(read(t, "assets/js/live.js"), -1) {
		for _, state := range m[1:] {
			if state != "" {
				keys = append(keys, "connection."+state)
			}
		}
	}
	for _, key := range keys {
		if _, ok := en[key]; !ok {
			t.Errorf("the page uses %q, which has no sentence", key)
		}
	}
	for key := range en {
		used := slices.Contains(keys, key) ||
			slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(key, b) })
		if !used {
			t.Errorf("nobody uses %q", key)
		}
	}
}

// TestDocumentSpeaksEnglish holds what the document says before any script runs against the English table.
func TestDocumentSpeaksEnglish(t *testing.T) {
	t.Parallel()
	en := sentences(t, "en")
	for _, node := range elements(t) {
		for _, a := range node.Attr {
			said := text(node)
			switch name, found := strings.CutPrefix(a.Key, "data-i18n-"); {
			case found:
				said, _ = attribute(node, name)
			case a.Key != "data-i18n":
				continue
			}
			if said != en[a.Val] {
				t.Errorf("%q is %q in the document and %q in English", a.Val, said, en[a.Val])
			}
		}
	}
}
