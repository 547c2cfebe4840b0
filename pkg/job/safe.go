package job

import (
	"slices"
	"strings"
)

// safeTopics are the topics of the upstream's filter.
const safeTopics = "privacy, secrets, sexual, violence, shield, nsfw"

// safe checks that v is empty, "true", "false" or a list of topics.
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

// normalizeSafe returns a valid value as the upstream expects it: in lower case, without spaces and duplicates.
func normalizeSafe(v string) string {
	var parts []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.ToLower(strings.TrimSpace(part)); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ",")
}
