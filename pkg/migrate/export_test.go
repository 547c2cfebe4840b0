package migrate

import "io"

// Entry is an entry of an export.
type Entry = entry

// ForEach reads an export.
var ForEach = forEach

// ForEachUpTo is ForEach with another bound of an entry.
func ForEachUpTo(r io.Reader, limit int, do func(Entry) error) error {
	return forEachUpTo(r, limit, do)
}
