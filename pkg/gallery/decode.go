package gallery

import (
	"encoding/base64"
	"strings"
)

// Decode decodes an image in base64 or in a data: URL. Like the clients in use, it accepts both alphabets, white space and
// missing padding. It returns ErrEncoding, or ErrTooLarge, before decoding if the length of text already exceeds the limit.
func Decode(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	const scheme = "data:"
	if len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		kind, data, found := strings.Cut(text, ",")
		if !found || !strings.HasSuffix(strings.ToLower(kind), ";base64") {
			return nil, ErrEncoding
		}
		text = data
	}
	text = strings.TrimRight(text, "=")
	if text == "" {
		return nil, ErrEncoding
	}
	if strings.ContainsAny(text, "-_ \t") {
		text = strings.NewReplacer("-", "+", "_", "/", " ", "", "\t", "").Replace(text)
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
