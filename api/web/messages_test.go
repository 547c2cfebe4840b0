package web_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// messages reads all messages of one language.
func messages(t *testing.T, language string) map[string]string {
	t.Helper()
	table := messageFile(t, language)
	for key, message := range messageFile(t, language+"-more") {
		if _, twice := table[key]; twice {
			t.Errorf("%q is in both files of %s", key, language)
		}
		table[key] = message
	}
	return table
}

// messageFile reads one file of messages: JSON inside a module.
func messageFile(t *testing.T, name string) map[string]string {
	t.Helper()
	source := read(t, "assets/i18n/"+name+".js")
	_, object, found := strings.Cut(source, "export default ")
	if !found {
		t.Fatalf("%s.js has no default export", name)
	}
	d := json.NewDecoder(strings.NewReader(object))
	table := map[string]string{}
	if err := d.Decode(&table); err != nil {
		t.Fatalf("%s.js: %v", name, err)
	}
	if lines := len(regexp.MustCompile(`(?m)^\s+"`).FindAllString(source, -1)); lines != len(table) {
		t.Errorf("%s.js has %d lines for %d keys: one is duplicated", name, lines, len(table))
	}
	return table
}

func placeholders(message string) []string {
	found := regexp.MustCompile(`\{\w+\}`).FindAllString(message, -1)
	slices.Sort(found)
	return found
}

func TestLanguagesHaveTheSameMessages(t *testing.T) {
	t.Parallel()
	en, zh := messages(t, "en"), messages(t, "zh")
	for key, message := range en {
		other, ok := zh[key]
		if !ok {
			t.Errorf("zh.js lacks %q", key)
			continue
		}
		if !slices.Equal(placeholders(message), placeholders(other)) {
			t.Errorf("%q has the placeholders %v in English and %v in Chinese", key, placeholders(message), placeholders(other))
		}
		if message == "" || other == "" {
			t.Errorf("%q is empty", key)
		}
	}
	for key := range zh {
		if _, ok := en[key]; !ok {
			t.Errorf("en.js lacks %q", key)
		}
	}
}

// laterViews are the views whose texts are not needed when the page opens.
var laterViews = []string{"account", "operator"}

// documentKeys returns the keys that index.html uses; later are those of views that are loaded later.
func documentKeys(t *testing.T) (first, later []string) {
	t.Helper()
	for _, node := range elements(t) {
		keys := &first
		for parent := range node.Ancestors() {
			view, _ := attribute(parent, "data-page")
			if id, _ := attribute(parent, "id"); slices.Contains(laterViews, view) || id == "confirm" {
				keys = &later
			}
		}
		for _, a := range node.Attr {
			if a.Key == "data-i18n" || strings.HasPrefix(a.Key, "data-i18n-") {
				*keys = append(*keys, a.Val)
			}
		}
	}
	return first, later
}

// usedKeys returns the keys that the page uses, and the prefixes of those that it composes.
func usedKeys(t *testing.T) (keys, prefixes []string) {
	t.Helper()
	first, later := documentKeys(t)
	inScripts, prefixes := scriptKeys(t, filesWith(t, ".js"))
	return slices.Concat(first, later, inScripts), prefixes
}

// scriptKeys returns the keys that modules use, and the prefixes of those that they compose.
func scriptKeys(t *testing.T, names []string) (keys, prefixes []string) {
	t.Helper()
	call := regexp.MustCompile(`\b(?:t|button|tool|heading|title|note|rename)\((.*)`)
	literal := regexp.MustCompile(`'([a-z]+(?:\.[a-z_]+)+)'`)
	joined := regexp.MustCompile("`([a-z]+\\.(?:[a-z_]+\\.)*)\\$\\{")
	for _, name := range names {
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
			prefixes = append(prefixes, m[1])
		}
	}
	return keys, prefixes
}

func TestUsedMessagesExist(t *testing.T) {
	t.Parallel()
	en := messages(t, "en")
	keys, prefixes := usedKeys(t)
	for _, code := range job.FailureCodes() {
		keys = append(keys, "failure."+code)
	}
	for _, kind := range job.Kinds() {
		keys = append(keys, "kind."+string(kind))
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
	for _, m := range regexp.MustCompile(`#setState\('(\w+)'\)|\? '(\w+)' : '(\w+)'\)`).FindAllStringSubmatch(read(t, "assets/js/live.js"), -1) {
		for _, state := range m[1:] {
			if state != "" {
				keys = append(keys, "connection."+state)
			}
		}
	}
	// A set with missing images.
	keys = append(keys, "announce.partial")
	for _, key := range keys {
		if _, ok := en[key]; !ok {
			t.Errorf("the page uses %q, which has no message", key)
		}
	}
	for key := range en {
		used := slices.Contains(keys, key) ||
			slices.ContainsFunc(prefixes, func(b string) bool { return strings.HasPrefix(key, b) })
		if !used {
			t.Errorf("%q is unused", key)
		}
	}
}

// TestFirstViewHasItsMessages compares what is used before a module is loaded later with the table that is loaded first.
func TestFirstViewHasItsMessages(t *testing.T) {
	t.Parallel()
	table := messageFile(t, "en")
	var loaded []string
	for pending := []string{"assets/js/app.js"}; len(pending) > 0; pending = pending[1:] {
		if slices.Contains(loaded, pending[0]) {
			continue
		}
		loaded = append(loaded, pending[0])
		for _, m := range regexp.MustCompile(`(?m)^import .* from '\./([^']+)'`).FindAllStringSubmatch(read(t, pending[0]), -1) {
			pending = append(pending, "assets/js/"+m[1])
		}
	}
	keys, _ := documentKeys(t)
	inScripts, prefixes := scriptKeys(t, loaded)
	for key := range messageFile(t, "en-more") {
		if slices.ContainsFunc(prefixes, func(b string) bool { return strings.HasPrefix(key, b) }) {
			t.Errorf("the first view composes the key %q, whose message is loaded later", key)
		}
	}
	for _, key := range slices.Concat(keys, inScripts) {
		if _, ok := table[key]; !ok {
			t.Errorf("the first view uses %q, whose message is loaded later", key)
		}
	}
}

// TestDocumentIsInEnglish compares the texts in index.html, shown before any script runs, with the English messages.
func TestDocumentIsInEnglish(t *testing.T) {
	t.Parallel()
	en := messages(t, "en")
	for _, node := range elements(t) {
		for _, a := range node.Attr {
			got := text(node)
			switch name, found := strings.CutPrefix(a.Key, "data-i18n-"); {
			case found:
				got, _ = attribute(node, name)
			case a.Key != "data-i18n":
				continue
			}
			if got != en[a.Val] {
				t.Errorf("%q is %q in the document and %q in English", a.Val, got, en[a.Val])
			}
		}
	}
}
