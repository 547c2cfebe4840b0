package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// WrongType returns which field of a body has the wrong type, if that is what a
// decoding error is about.
func WrongType(err error) (field, message string, ok bool) {
	mismatch := new(json.UnmarshalTypeError)
	if !errors.As(err, &mismatch) {
		return "", "", false
	}
	field, _, _ = strings.Cut(mismatch.Field, ".")
	if field == "" {
		return "", "", false // The body is not an object.
	}
	return field, fmt.Sprintf("Invalid input: expected %s, received %s", mismatch.Type.Kind(), mismatch.Value), true
}

// JSONPosition returns the line and column at which decoding stopped.
func JSONPosition(body []byte, err error) (line, column int) {
	offset := int64(len(body))
	syntax, mismatch := new(json.SyntaxError), new(json.UnmarshalTypeError)
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &mismatch):
		offset = mismatch.Offset
	}
	offset = min(max(offset, 0), int64(len(body)))
	before := string(body[:offset])
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n") - 1
}
