package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestGuaranteesCiteExistingTests checks that every test cited in the guarantees exists.
func TestGuaranteesCiteExistingTests(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile("`([a-z/]+)\\.(Test[A-Za-z0-9]+)`")
	var first []string
	for _, guide := range []string{"guarantees.md", "guarantees.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "deploy", guide))
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, match := range named.FindAllStringSubmatch(string(text), -1) {
			all = append(all, match[0])
			if !hasTest(t, match[1], match[2]) {
				t.Errorf("%s names %s.%s, which does not exist", guide, match[1], match[2])
			}
		}
		if len(all) < 60 {
			t.Errorf("%s names %d tests", guide, len(all))
		}
		if first == nil {
			first = all
		} else if strings.Join(all, " ") != strings.Join(first, " ") {
			t.Errorf("%s names other tests than the English guide", guide)
		}
	}
}

// hasTest reports whether a package, by its folder, has a test.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+name+"(t *testing.T)") {
			return true
		}
	}
	return false
}
