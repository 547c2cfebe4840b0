package session

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// key signs the cookies.
var key = []byte("test key")

func FuzzGuestCookie(f *testing.F) {
	owner := NewGuest()
	valid := SealGuest(key, owner)
	for _, seed := range []string{
		valid, owner, owner + ".", "." + valid, valid + ".", strings.ToLower(valid), "guest." + valid, "g-." + valid,
		SealGuest([]byte("another key"), owner), SealGuest(key, "root"),
		SealGuest(key, "g-*.>"), SealGuest(key, "g-"+base64.RawURLEncoding.EncodeToString(make([]byte, 15))),
		strings.Replace(valid, ".", "\n.", 1),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		guest, ok := openGuest(key, value)
		if !ok {
			return
		}
		if !job.ValidToken(guest) || guest == job.OwnerAnonymous || SealGuest(key, guest) != value {
			t.Errorf("%q opens as %q", value, guest)
		}
	})
}

func TestForgedCookies(t *testing.T) {
	t.Parallel()
	owner := NewGuest()
	sealed := SealGuest(key, owner)
	if got, ok := openGuest(key, sealed); !ok || got != owner {
		t.Fatalf("valid cookie: %q, %v", got, ok)
	}
	name, mac, _ := strings.Cut(sealed, ".")
	for _, value := range []string{
		"", ".", name, name + ".", "." + mac, name + "." + mac + "=", name + "." + mac[1:], name[2:] + "." + mac,
		SealGuest([]byte("another key"), owner), SealGuest(key, "guest"),
		SealGuest(key, "g-short"), SealGuest(key, "g-*"), name + "\n." + mac, sealed + "\r\n",
	} {
		if got, ok := openGuest(key, value); ok {
			t.Errorf("%q opens as %q", value, got)
		}
	}
}
