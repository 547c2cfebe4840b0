package simulator_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestGuideNamesEveryFault compares the tables of the testing guides with the
// existing faults.
func TestGuideNamesEveryFault(t *testing.T) {
	t.Parallel()
	known := simulatortest.Start(t).FaultNames()
	for file, section := range map[string]string{"testing.md": "\n## Faults\n", "testing.zh-CN.md": "\n## 故障\n"} {
		guide, err := os.ReadFile("../../deploy/" + file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(guide), section)
		tables, _, ended := strings.Cut(rest, "\n## ")
		if !found || !ended {
			t.Fatalf("%s has no section about the faults", file)
		}
		var named []string
		for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| \\S.* \\|$").FindAllStringSubmatch(tables, -1) {
			named = append(named, row[1])
		}
		for _, name := range known {
			if !slices.Contains(named, name) {
				t.Errorf("%s does not name %s", file, name)
			}
		}
		for n, name := range named {
			if !slices.Contains(known, name) || slices.Contains(named[:n], name) {
				t.Errorf("%s names %s, which is unknown or named before", file, name)
			}
		}
	}
}
