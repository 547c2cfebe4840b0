package server

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// What a cursor of the operator's routes belongs to; a digit stands for the version of what follows.
const (
	cursorOfList = "l1"
	cursorOfBulk = "b1"
)

// encodeSequences returns the opaque form of places in a stream.
func encodeSequences(what string, sequences ...uint64) string {
	plain := what
	for _, sequence := range sequences {
		plain += "." + strconv.FormatUint(sequence, 10)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// decodeSequences reads what encodeSequences has written, n places, and refuses everything else.
func decodeSequences(what, cursor string, n int) ([]uint64, bool) {
	if len(cursor) > maxCursor {
		return nil, false
	}
	plain, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, false
	}
	parts := strings.Split(string(plain), ".")
	if len(parts) != n+1 || parts[0] != what {
		return nil, false
	}
	sequences := make([]uint64, n)
	for i, part := range parts[1:] {
		if sequences[i], err = strconv.ParseUint(part, 10, 64); err != nil {
			return nil, false
		}
	}
	return sequences, encodeSequences(what, sequences...) == cursor
}

// letterCursor reads the cursor of a list of dead letters; without one it begins with the newest.
func letterCursor(cursor string) (before uint64, ok bool) {
	if cursor == "" {
		return 0, true
	}
	sequences, ok := decodeSequences(cursorOfList, cursor, 1)
	if !ok {
		return 0, false
	}
	return sequences[0], true
}
