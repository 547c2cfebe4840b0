package upstream_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

func TestClean(t *testing.T) {
	t.Parallel()
	const key = "plain-key-of-no-known-pattern"
	const prompt = "Ein “Fuchs” & ein <Hase> im Schnee 雪中的狐狸"
	rows := []struct{ name, message, want string }{
		{"nothing to hide", "No active flux servers available", "No active flux servers available"},
		{"the key", "bad key " + key + "!", "bad key ***!"},
		{"a secret key by its pattern", "use sk_live_1234567890 now", "use *** now"},
		{"a hyphenated key", "use sk-abcdef123456 now", "use *** now"},
		{"key in a query", "see /x?a=1&key=abc&b=2", "see /x?a=1&key=***&b=2"},
		{"token in a query", "token=abc and api_key=def", "token=*** and api_key=***"},
		{"bearer", "Authorization: Bearer abc.def", "Authorization: Bearer ***"},
		{"password in a URL", "proxy http://me:word@host:1 failed", "proxy http://***host:1 failed"},
		{"email", "owner a.b@example.org", "owner ***"},
		{"URL with a path", "Get https://gen.example.org/image/a%20cat?seed=1: no", "Get https://gen.example.org/*** no"},
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
			if got := upstream.Clean(r.message, key, prompt); got != r.want {
				t.Errorf("got  %q\nwant %q", got, r.want)
			}
		})
	}
}

// Short texts are redacted only as separate words, so that the upstream's message remains readable.
func TestCleanShortText(t *testing.T) {
	t.Parallel()
	const message = "Insufficient balance. This model costs ~0.0136 pollen per request, as a rule."
	rows := []struct{ name, prompt, message, want string }{
		{"a letter", "a", message, "Insufficient balance. This model costs ~0.0136 pollen per request, as *** rule."},
		{"a word in others", "is", message, message},
		{"a word", "Model", message, "Insufficient balance. This *** costs ~0.0136 pollen per request, as a rule."},
		{"words", "per request", message, "Insufficient balance. This model costs ~0.0136 pollen ***, as a rule."},
		{"the end of a word", "cat", "educat category cat", "educat category ***"},
		{"quoted", "cat", `no "cat" here: 'cat', (cat) <b>cat</b> cat's`, `no "***" here: '***', (***) <b>***</b> ***'s`},
		{"at both ends", "cat", "cat and cat", "*** and ***"},
		{"all of it", "cat", "Cat", "***"},
		{"a digit", "1", "Queue full: 1 of 10 requests, v1 and 1.5", "Queue full: *** of 10 requests, v1 and ***.5"},
		{"a sign alone", ".", message, message},
		{"signs alone", "?!", "what?!", "what?!"},
		{"signs and blanks", "- -", "a - - b", "a - - b"},
		{"stars", "***", "a *** b", "a *** b"},
		{"signs around it", "(cat)", "no (cat), but cat", "no ***, but cat"},
		{"no word boundary in Chinese", "\u732b", "\u4e0d\u80fd\u753b\u732b\u4eca\u5929", "\u4e0d\u80fd\u753b***\u4eca\u5929"},
		{"Chinese beside Latin", "\u732b", "cannot draw\u732btoday", "cannot draw***today"},
		{"a particle in Korean", "\uace0\uc591\uc774", "\uace0\uc591\uc774\ub97c", "***\ub97c"},
		{"Cyrillic", "\u043a\u043e\u0442", "\u043a\u043e\u0442 \u043a\u043e\u0442\u043b\u0435\u0442\u0430", "*** \u043a\u043e\u0442\u043b\u0435\u0442\u0430"},
		{"combining marks", "cafe\u0301", "a cafe\u0301 cafe", "a *** cafe"},
		{"an emoji", "\U0001f98a", "no \U0001f98a, x\U0001f98ay", "no ***, x***y"},
		{"within a path", "cat", "/image/a%20cat%20b and a+cat+b", "/image/a%20***%20b and a+***+b"},
		{"escaped for an address", "\u732b", "x%E7%8C%ABy", "x***y"},
		{"escaped in words", "a b&c", "/image/a%20b&c?x and a+b%26c and a b&amp;c", "/image/***?x and *** and ***"},
		{"behind escapes of JSON", "cat", `{"p":"\ncat\ncat\u0020cat\u003c"`, `{"p":"\n***\n***\u0020***\u003c"`},
		{"escaped in ASCII", "\u732b", `x\u732by`, `x***y`},
		{"a quote at the end", `a"`, `C:\dir with a" and a\" in it`, `C:\dir with *** and *** in it`},
		{"a key of JSON", "model", `{"model":"x_model"}`, `{"***":"x_***"}`},
		{"an empty text", "  ", "as it was", "as it was"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if got := upstream.Clean(r.message, "", r.prompt); got != r.want {
				t.Errorf("got  %q\nwant %q", got, r.want)
			}
		})
	}
	if got := upstream.Clean("a dog and a cat", "", "cat", "", "dog"); got != "a *** and a ***" {
		t.Errorf("of two texts: %q", got)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("prefix a secret sentence suffix", "a secret sentence")
	f.Add("\u0130stanbul K", "K")
	f.Add("This is a bad request", "is")
	f.Add("\\n%20&amp;", "a\"")
	f.Fuzz(func(t *testing.T, message, prompt string) {
		upstream.Clean(message, "", prompt)
		text := strings.TrimSpace(prompt)
		if !utf8.ValidString(text) || strings.Contains(text, "*") || strings.Contains("before after", strings.ToLower(text)) {
			return
		}
		telling := strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
		if got := upstream.Clean("before "+text+" after", "", prompt); telling && strings.Contains(got, text) {
			t.Errorf("%q still contains the text", got)
		}
		// In a longer word a short text is not redacted.
		if word := "q" + text + "q"; ascii(text) && len(text) < 8 && strings.Trim(text, letters) == "" {
			if got := upstream.Clean(word, "", prompt); got != word {
				t.Errorf("%q in a longer word became %q", text, got)
			}
		}
	})
}

const letters = "abcdefghijklmnoprstuvwxyzABCDEFGHIJKLMNOPRSTUVWXYZ"

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
