package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLogsGuide checks that the program contains every log message in the guide to logs, in both languages.
func TestLogsGuide(t *testing.T) {
	t.Parallel()
	var program strings.Builder
	for _, root := range []string{"../api", "../pkg", "../worker"} {
		must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			program.Write(source)
			return err
		}))
	}
	var rows [2][]string
	for i, path := range []string{"logs.md", "logs.zh-CN.md"} {
		guide, err := os.ReadFile(path)
		must(t, err)
		table, _, _ := strings.Cut(string(guide), "\n## ")
		for line := range strings.Lines(table) {
			cells := strings.Split(line, "|")
			if len(cells) < 5 || !strings.Contains(cells[1], "`") {
				continue
			}
			for _, message := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				rows[i] = append(rows[i], message[1])
				if !strings.Contains(program.String(), `"`+message[1]+`"`) {
					t.Errorf("%s lists the message %q, which no program logs", path, message[1])
				}
			}
		}
	}
	if len(rows[0]) < 15 || strings.Join(rows[0], "\n") != strings.Join(rows[1], "\n") {
		t.Errorf("the guides list different messages: %q and %q", rows[0], rows[1])
	}
}
