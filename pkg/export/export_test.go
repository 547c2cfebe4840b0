package export

import "io"

// EachUpTo is Each with another bound of an entry.
func EachUpTo(r io.Reader, most int, take func(Entry) error) error { return each(r, most, take) }
