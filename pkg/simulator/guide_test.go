package simulator_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestGuideNamesEveryFault compares the tables of the testing guide with the
// faults that there are.
func TestGuideNamesEveryFault(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../deploy/testing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(guide), "\n## The faults\n")
	tables, _, ended := strings.Cut(rest, "\n## ")
	if !found || !ended {
		t.Fatal("the guide has no section about the faults")
	}
	var named []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)` \\| \\S.* \\|$").FindAllStringSubmatch(tables, -1) {
		named = append(named, row[1])
	}
	known := simulatortest.Start(t).FaultNames()
	for _, name := range known {
		if !slices.Contains(named, name) {
			t.Errorf("the guide does not name %s", name)
		}
	}
	for n, name := range named {
		if !slices.Contains(known, name) || slices.Contains(named[:n], name) {
			t.Errorf("the guide names %s, which is unknown or named before", name)
		}
	}
}
