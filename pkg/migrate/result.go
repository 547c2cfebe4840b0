package migrate

import (
	"slices"
	"strings"
)

// Result reports the outcome of an import.
type Result struct {
	// Imported counts new accounts, feedback entries or images. Kept counts those that were already present: they stay unchanged,
	// since they may have been changed here.
	Imported, Kept int
	// Foreign counts entries of the namespace with other data.
	Foreign int
	// Unverifiable counts the imported accounts whose password hash has an unknown format: their owners have to reset the
	// password.
	Unverifiable int
	// Expired counts images that were saved more than 24 hours ago.
	Expired int
	// Skipped lists what could not be imported, up to maxSkipped; Unnamed counts the rest.
	Skipped []Skipped
	Unnamed int
}

// Skipped is an entry of an export that was not imported. It does not quote the entry.
type Skipped struct {
	// Entry and Image count from 1, in the order of the export. Image is 0 when the whole entry was skipped.
	Entry, Image int
	Reason       string
}

// maxSkipped bounds how many skipped entries are listed.
const maxSkipped = 10_000

// skip records a skipped entry. An empty reason records nothing.
func (r *Result) skip(entry, image int, reason string) {
	switch {
	case reason == "":
	case len(r.Skipped) == maxSkipped:
		r.Unnamed++
	default:
		r.Skipped = append(r.Skipped, Skipped{entry, image, reason})
	}
}

// hasPrefix reports whether a key begins with one of the prefixes.
func hasPrefix(key string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}
