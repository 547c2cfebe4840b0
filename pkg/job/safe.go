package job

import (
	"slices"
	"strings"
)

// safeTopics are what the upstream's filter can look for, apart from being on or off.
const safeTopics = "privacy, secrets, sexual, violence, shield, nsfw"

// safe checks that the filter is on, off, or given topics to look for.
func (f *faultList) safe(pointer, v string) {
	if v == "" || strings.EqualFold(v, "true") || strings.EqualFold(v, "false") {
		return
	}
	topics := strings.Split(safeTopics, ", ")
	for part := range strings.SplitSeq(v, ",") {
		if !contains(topics, strings.TrimSpace(part)) {
			f.add(pointer, "unknown_value", "known", "true, false, "+safeTopics)
			return
		}
	}
}

// normalizeSafe returns a valid value as the upstream expects it: each word once, in lower case, without spaces.
func normalizeSafe(v string) string {
	var parts []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.ToLower(strings.TrimSpace(part)); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ",")
}
