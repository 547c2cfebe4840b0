package hostname_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

func TestList(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		entries []string
		host    string
		allowed bool
	}{
		{[]string{"*"}, "anything.example:1", true},
		{[]string{"a.example", "*"}, "b.example", true},
		{nil, "a.example", false},
		{[]string{"a.example"}, "a.example", true},
		{[]string{"A.Example"}, "a.eXample:8080", true},
		{[]string{"a.example."}, "a.example", true},
		{[]string{"a.example"}, "a.example.", true},
		{[]string{"a.example"}, "a.example.evil", false},
		{[]string{"a.example"}, "b.a.example", false},
		{[]string{"a.example"}, "a.example@evil", false},
		{[]string{"a.example:8080"}, "a.example:8080", true},
		{[]string{"a.example:8080"}, "a.example:8081", false},
		{[]string{"a.example:8080"}, "a.example", false},
		{[]string{"a.example:443"}, "a.example", true},
		{[]string{"a.example:80"}, "a.example", true},
		{[]string{"10.0.0.7"}, "10.0.0.7:9", true},
		{[]string{"fd00::1"}, "[fd00::1]:9", true},
		{[]string{"[fd00::1]"}, "[FD00:0::1]", true},
		{[]string{"[fd00::1]:80"}, "[fd00::1]:81", false},
		{[]string{"a.example"}, "", false},
		{[]string{"a.example"}, ":8080", false},
		{[]string{"a.example"}, "a.example:", true},
		{[]string{"a.example"}, "a.example:x", false},
	} {
		l, err := hostname.Parse(tc.entries)
		if err != nil {
			t.Errorf("%v: %v", tc.entries, err)
		}
		if got := l.Allows(tc.host); got != tc.allowed {
			t.Errorf("%v allows %q: %v", tc.entries, tc.host, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{
		"", "https://a.example", "a.example/x", "a b", "a.example:", "a.example:0", "a.example:65536", "a.example:http", "*.example", "bücher.example",
		"user@a.example", "[fd00::1", "fd00::1]", "a..example", ".", "a?b", "-a.example",
	} {
		if _, err := hostname.Parse([]string{"good.example", entry}); err == nil {
			t.Errorf("%q is accepted", entry)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "localhost.": true, "127.0.0.1": true, "127.9.8.7": true, "::1": true, "[::1]": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "localhost.evil": false, "127.0.0.1.evil": false, "evil": false, "127.1": false,
	} {
		if got := hostname.IsLoopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8080": true, "127.0.0.1:1": true, "[::1]:8080": true, "[::1]": true, "evil:80": false, "localhost:80:80": false,
		"127.0.0.1.nip.io:8080": false, "": false, "[::1": false, "0.0.0.0:8080": false,
	} {
		if got := hostname.Loopback().Allows(host); got != want {
			t.Errorf("loopback allows %q: %v", host, got)
		}
	}
	for address, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:0": true, "[::1]:80": true, ":8080": false, "0.0.0.0:80": false, "[::]:80": false, "10.0.0.1:80": false, "nonsense": false,
	} {
		if got := hostname.IsLoopbackAddress(address); got != want {
			t.Errorf("address %q: %v", address, got)
		}
	}
}

func FuzzAllows(f *testing.F) {
	f.Add("localhost:8080")
	f.Add("[::1]:1")
	l, err := hostname.Parse([]string{"a.example", "b.example:8080"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(_ *testing.T, host string) { l.With(hostname.Loopback()).Allows(host) })
}
