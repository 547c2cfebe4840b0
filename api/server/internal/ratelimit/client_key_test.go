package ratelimit

import "testing"

func TestClientKey(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7",
		"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.9": "203.0.113.9", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "nonsense": "unknown",
	} {
		if got := ClientKey(address); got != want {
			t.Errorf("%q: key %s, want %s", address, got, want)
		}
	}
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.7": "203.0.113.0/24", "::ffff:203.0.113.9": "203.0.113.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "unknown", "nonsense": "unknown",
	} {
		if got := Network(address); got != want {
			t.Errorf("%q: key %s, want %s", address, got, want)
		}
	}
}
