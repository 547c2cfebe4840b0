package gallery

import (
	"encoding/base64"
	"strings"
)

// Decode reads a picture as base64, or as a data: address of it, as the clients of the system before send and store it. It
// fails with ErrEncoding, and with ErrTooLarge before it unpacks what cannot be small enough.
func Decode(text string) ([]byte, error) {
	if strings.HasPrefix(text, "data:") {
		var found bool
		if _, text, found = strings.Cut(text, ";base64,"); !found {
			return nil, ErrEncoding
		}
	}
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	if text == "" {
		return nil, ErrEncoding
	}
	if base64.RawStdEncoding.DecodedLen(len(text)) > 2*MaxBytes {
		return nil, ErrTooLarge
	}
	data, err := base64.RawStdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, ErrEncoding
	case len(data) > MaxBytes:
		return nil, ErrTooLarge
	}
	return data, nil
}
