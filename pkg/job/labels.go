package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The limits of Labels; lengths are in characters.
const (
	MaxMetadata      = 16
	MaxMetadataName  = 64
	MaxMetadataValue = 512
	MaxTags          = 16
	MaxTag           = 64
)

// Labels are what a client attaches to a job for its own use. They do not affect how the job runs.
type Labels struct {
	// Metadata holds texts by name.
	Metadata map[string]string `json:"metadata,omitempty"`
	// Tags are words by which jobs can be listed, in the order in which they were given.
	Tags []string `json:"tags,omitempty"`
}

// Empty reports whether there is nothing in the labels.
func (l *Labels) Empty() bool { return len(l.Metadata) == 0 && len(l.Tags) == 0 }

// HasTags reports whether the labels have all the given tags.
func (l *Labels) HasTags(tags []string) bool {
	return !slices.ContainsFunc(tags, func(tag string) bool { return !slices.Contains(l.Tags, tag) })
}

// Validate returns the errors of the labels, with the pointers /metadata and /tags. Names and values of the metadata that are too
// long are reported by a name that escape shortens.
func (l *Labels) Validate(escape func(name string) string) []FieldError {
	var f faultList
	if len(l.Metadata) > MaxMetadata {
		f.add("/metadata", "too_many_items", "max", strconv.Itoa(MaxMetadata))
	} else {
		for _, name := range slices.Sorted(maps.Keys(l.Metadata)) {
			pointer := "/metadata/" + escape(name)
			before := len(f)
			f.line(pointer, name, MaxMetadataName)
			if len(f) == before {
				f.text(pointer, l.Metadata[name], MaxMetadataValue, false)
			}
		}
	}
	if len(l.Tags) > MaxTags {
		f.add("/tags", "too_many_items", "max", strconv.Itoa(MaxTags))
		return f
	}
	for i, tag := range l.Tags {
		pointer := "/tags/" + strconv.Itoa(i)
		before := len(f)
		f.line(pointer, tag, MaxTag)
		if len(f) == before && slices.Contains(l.Tags[:i], tag) {
			f.add(pointer, "duplicate_field")
		}
	}
	return f
}

// line requires a text on one line.
func (f *faultList) line(pointer, s string, limit int) {
	before := len(*f)
	f.text(pointer, s, limit, true)
	if len(*f) == before && strings.ContainsAny(s, "\t\r\n") {
		f.add(pointer, "control_character")
	}
}

// LabelsFingerprint returns the fingerprint of a request with labels, given that of the rest of the request.
func LabelsFingerprint(rest string, l Labels) (string, error) {
	return fingerprint(struct {
		Rest string `json:"rest"`
		Labels
	}{rest, l})
}
