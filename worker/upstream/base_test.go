package upstream_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

func TestParseBase(t *testing.T) {
	t.Parallel()
	rows := []struct{ value, want, fault string }{
		{"", "", ""},
		{"  ", "", ""},
		{"https://gen.example.org", "https://gen.example.org", ""},
		{" https://gen.example.org// ", "https://gen.example.org", ""},
		{"HTTPS://gen.example.org/v1/", "https://gen.example.org", ""},
		{"https://gen.example.org/v1/image/", "https://gen.example.org", ""},
		{"http://127.0.0.1:8080/behind/v1", "http://127.0.0.1:8080/behind", ""},
		{"http://[::1]:80/image", "http://[::1]:80", ""},
		{"https://gen.example.org/imagery", "https://gen.example.org/imagery", ""},
		{"gen.example.org", "", "must begin with"},
		{"ftp://gen.example.org", "", "must begin with"},
		{"https://", "", "has no host"},
		{"https://:80/", "", "has no host"},
		{"https://me:pass-word@gen.example.org", "", "user name or password"},
		{"https://gen.example.org/?key=sk_hidden", "", "query"},
		{"https://gen.example.org/?", "", "query"},
		{"https://gen.example.org/#part", "", "fragment"},
		{"https://gen.example.org/%zz-hidden", "", "is not a valid URL"},
		{"https://a b/", "", "is not a valid URL"},
	}
	for _, r := range rows {
		got, err := upstream.ParseBase("SOME_SETTING", r.value, "/v1", "/image")
		if r.fault == "" {
			if err != nil || got != r.want {
				t.Errorf("%q: got %q, %v; want %q", r.value, got, err, r.want)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), r.fault) || !strings.HasPrefix(err.Error(), "SOME_SETTING ") {
			t.Errorf("%q: got %v, want an error about %q", r.value, err, r.fault)
			continue
		}
		if strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "pass-word") {
			t.Errorf("%q: the error quotes the value: %v", r.value, err)
		}
	}
}
