// Package cursor encodes positions in lists as opaque strings and rejects strings that it has not encoded.
package cursor

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// maxLength bounds the cursors that are decoded; real ones are at most half as long.
const maxLength = 256

// Encode returns the cursor of a position. kind names the list and the version of the format, so that a cursor of another
// list or an older version is recognized. Neither kind nor parts may contain a dot.
func Encode(kind string, parts ...string) string {
	plain := strings.Join(append([]string{kind}, parts...), ".")
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// Decode returns the n parts of a cursor of a kind. It reports false for any other cursor.
func Decode(kind, cursor string, n int) (parts []string, ok bool) {
	if len(cursor) > maxLength {
		return nil, false
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, false
	}
	parts = strings.Split(string(plain), ".")
	if len(parts) != n+1 || parts[0] != kind || Encode(kind, parts[1:]...) != cursor {
		return nil, false
	}
	return parts[1:], true
}

// EncodeSequences returns the cursor of sequence numbers.
func EncodeSequences(kind string, sequences ...uint64) string {
	parts := make([]string, len(sequences))
	for i, sequence := range sequences {
		parts[i] = strconv.FormatUint(sequence, 10)
	}
	return Encode(kind, parts...)
}

// DecodeSequences returns the n sequence numbers of a cursor of a kind. It reports false for any other cursor.
func DecodeSequences(kind, cursor string, n int) (sequences []uint64, ok bool) {
	parts, ok := Decode(kind, cursor, n)
	if !ok {
		return nil, false
	}
	sequences = make([]uint64, n)
	for i, part := range parts {
		var err error
		if sequences[i], err = strconv.ParseUint(part, 10, 64); err != nil {
			return nil, false
		}
	}
	return sequences, EncodeSequences(kind, sequences...) == cursor
}
