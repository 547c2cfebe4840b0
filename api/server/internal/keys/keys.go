// Package keys derives keys for single purposes from the secret of an installation.
package keys

import (
	"crypto/hmac"
	"crypto/sha256"
)

// Keys are the derived keys, one for each purpose, so that a value signed for one purpose is invalid for another.
type Keys struct {
	GuestCookie []byte
	Attempts    []byte
	GoogleFlow  []byte
	AdminKeyID  []byte
	MediaLinks  []byte
}

// Derive returns the keys of an installation. Its labels must not change: cookies and stored names depend on them.
func Derive(secret []byte) Keys {
	return Keys{
		GuestCookie: Sum(secret, "guest cookie v1"),
		Attempts:    Sum(secret, "attempts v1"),
		GoogleFlow:  Sum(secret, "google flow v1"),
		AdminKeyID:  Sum(secret, "admin key id v1"),
		MediaLinks:  Sum(secret, "media links v1"),
	}
}

// Sum returns the HMAC-SHA256 of parts, each terminated by a zero byte, which no part may contain.
func Sum(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}
