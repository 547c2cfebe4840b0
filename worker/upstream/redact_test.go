package upstream_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

func TestClean(t *testing.T) {
	t.Parallel()
	const key = "plain-key-of-no-known-shape"
	const prompt = "Ein “Fuchs” & ein <Hase> im Schnee 雪中的狐狸"
	rows := []struct{ name, said, want string }{
		{"nothing to hide", "No active flux servers available", "No active flux servers available"},
		{"the key", "bad key " + key + "!", "bad key ***!"},
		{"a secret key by its looks", "use sk_live_1234567890 now", "use *** now"},
		{"a hyphenated key", "use sk-abcdef123456 now", "use *** now"},
		{"key in a query", "see /x?a=1&key=abc&b=2", "see /x?a=1&key=***&b=2"},
		{"token in a query", "token=abc and api_key=def", "token=*** and api_key=***"},
		{"bearer", "Authorization: Bearer abc.def", "Authorization: Bearer ***"},
		{"password in an address", "proxy http://me:word@host:1 failed", "proxy http://***host:1 failed"},
		{"e-mail", "owner a.b@example.org", "owner ***"},
		{"address with a path", "Get https://gen.example.org/image/a%20cat?seed=1: no", "Get https://gen.example.org/*** no"},
		{"prompt", "no: " + prompt + ".", "no: ***."},
		{"prompt in capitals", "no: EIN “FUCHS” & EIN <HASE> IM SCHNEE 雪中的狐狸.", "no: ***."},
		{"prompt in part", "no: Ein “Fuchs” & ein <Ha… end", "no: ***… end"},
		{"prompt in a path", "/image/Ein%20%E2%80%9CFuchs%E2%80%9D%20&%20ein%20%3CHase%3E%20im%20Schnee%20%E9%9B%AA%E4%B8%AD%E7%9A%84%E7%8B%90%E7%8B%B8 x", "/image/*** x"},
		{"prompt in a query", "Ein+%E2%80%9CFuchs%E2%80%9D+%26+ein+%3CHase%3E+im+Schnee+%E9%9B%AA%E4%B8%AD%E7%9A%84%E7%8B%90%E7%8B%B8", "***"},
		{"prompt in JSON", `"Ein “Fuchs” \u0026 ein \u003cHase\u003e im Schnee 雪中的狐狸"`, `"***"`},
		{"prompt in ASCII", `Ein \u201cFuchs\u201d & ein <Hase> im Schnee \u96ea\u4e2d\u7684\u72d0\u72f8`, "***"},
		{"prompt in HTML", "Ein “Fuchs” &amp; ein &lt;Hase&gt; im Schnee 雪中的狐狸", "***"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if got := upstream.Clean(r.said, key, prompt); got != r.want {
				t.Errorf("got  %q\nwant %q", got, r.want)
			}
		})
	}
}

func TestCleanShortText(t *testing.T) {
	t.Parallel()
	if got := upstream.Clean("cannot draw 猫 today", "", "猫"); got != "cannot draw *** today" {
		t.Errorf("got %q", got)
	}
	if got := upstream.Clean("as it was", "", "", "  "); got != "as it was" {
		t.Errorf("an empty text took something out: %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("prefix a secret sentence suffix", "a secret sentence")
	f.Add("İstanbul K", "K")
	f.Fuzz(func(t *testing.T, said, prompt string) {
		upstream.Clean(said, "", prompt)
		trimmed := strings.TrimSpace(prompt)
		if len(trimmed) < 16 || strings.Contains(trimmed, "***") || strings.Contains("***", trimmed) {
			return
		}
		if got := upstream.Clean("before "+trimmed+" after", "", prompt); strings.Contains(got, trimmed) {
			t.Errorf("%q still holds the text", got)
		}
	})
}
