package job_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	values := func(n int) map[string]string {
		m := make(map[string]string)
		for i := range n {
			m[strconv.Itoa(i)] = ""
		}
		return m
	}
	for name, tc := range map[string]struct {
		labels job.Labels
		faults []string
	}{
		"nothing":       {},
		"as many":       {labels: job.Labels{Metadata: values(16), Tags: slices.Sorted(maps.Keys(values(16)))}},
		"too many":      {job.Labels{Metadata: values(17), Tags: slices.Sorted(maps.Keys(values(17)))}, []string{"/metadata too_many_items", "/tags too_many_items"}},
		"longest":       {labels: job.Labels{Metadata: map[string]string{strings.Repeat("名", 64): strings.Repeat("值", 512)}, Tags: []string{strings.Repeat("签", 64)}}},
		"too long name": {job.Labels{Metadata: map[string]string{strings.Repeat("a", 65): "x"}}, []string{"/metadata/" + strings.Repeat("a", 65) + " too_long"}},
		"too long value": {
			job.Labels{Metadata: map[string]string{"a": strings.Repeat("x", 513)}, Tags: []string{strings.Repeat("x", 65)}},
			[]string{"/metadata/a too_long", "/tags/0 too_long"},
		},
		"empty":        {job.Labels{Metadata: map[string]string{"": "x", "a": ""}, Tags: []string{" "}}, []string{"/metadata/ required", "/tags/0 required"}},
		"twice":        {job.Labels{Tags: []string{"a", "A", "a"}}, []string{"/tags/2 duplicate_field"}},
		"line break":   {job.Labels{Metadata: map[string]string{"a\n": "", "b": "c\nd"}, Tags: []string{"a\tb"}}, []string{"/metadata/a\n control_character", "/tags/0 control_character"}},
		"control":      {job.Labels{Metadata: map[string]string{"b": "\x00"}, Tags: []string{"\x1b"}}, []string{"/metadata/b control_character", "/tags/0 control_character"}},
		"named safely": {labels: job.Labels{Metadata: map[string]string{"a/b~c": "x"}, Tags: []string{"a,b", "a b"}}},
	} {
		var got []string
		for _, f := range tc.labels.Validate(func(name string) string { return name }) {
			got = append(got, f.Pointer+" "+f.Code)
		}
		if !slices.Equal(got, tc.faults) {
			t.Errorf("%s: %q, want %q", name, got, tc.faults)
		}
	}
}

func TestHasTags(t *testing.T) {
	t.Parallel()
	l := job.Labels{Tags: []string{"a", "b"}}
	if !l.HasTags(nil) || !l.HasTags([]string{"b", "a"}) || l.HasTags([]string{"a", "c"}) || (&job.Labels{}).HasTags([]string{"a"}) {
		t.Error("wrong tags")
	}
}
