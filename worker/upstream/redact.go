package upstream

import (
	"encoding/json"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDetail bounds fault.Error.Detail in bytes.
const maxDetail = 2 << 10

// mask stands where something was taken out.
const mask = "***"

// window is how many characters in a row of a user's text are recognised, so that a response that quotes only a part of
// it is cleaned as well. Shorter runs are ordinary words, which say nothing about whose text it was. A text that is itself
// shorter is recognised as a whole, and only where it is no part of a longer word: masking every "a" of a message would
// leave nothing to read.
const window = 12

// redactor removes keys and a user's texts from messages.
type redactor struct {
	key     string
	private []string
}

var (
	// secretPatterns find keys by their looks; the first group is kept.
	secretPatterns = []*regexp.Regexp{
		regexp.MustCompile(`(?i)(\b(?:[a-z_]*key|[a-z_]*token|secret|password|sig|signature)=)[^&\s"'<>]+`),
		regexp.MustCompile(`(?i)(\bBearer\s+)[A-Za-z0-9._~+/=-]+`),
		regexp.MustCompile(`()\b[sp]k[_-][A-Za-z0-9_-]{6,}`),
		regexp.MustCompile(`(://)[^/\s@"']+@`),
		regexp.MustCompile(`()[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`),
	}
	// addressPattern finds whole URLs, whose path or query holds the text on some routes. Their host is kept.
	addressPattern = regexp.MustCompile(`(?i)\b(https?://[^\s/"'<>?#]+)[/?#][^\s"'<>]*`)
)

// clean returns s without keys, e-mail addresses, URL paths, and the user's texts in any usual encoding.
func (r *redactor) clean(s string) string {
	if r.key != "" {
		s = strings.ReplaceAll(s, r.key, mask)
	}
	for _, text := range r.private {
		s = redact(s, text)
	}
	for _, pattern := range secretPatterns {
		s = pattern.ReplaceAllString(s, "${1}"+mask)
	}
	return addressPattern.ReplaceAllString(s, "${1}/"+mask)
}

// redact masks every run of characters that s shares with the text, plain or encoded, in any letter case. A short text
// of only punctuation is kept.
func redact(s, text string) string {
	text = strings.TrimSpace(text)
	if text == "" || (utf8.RuneCountInString(text) < window && !strings.ContainsFunc(text, isMeaningful)) {
		return s
	}
	plain, folded := []rune(s), toLower(s)
	hidden := make([]bool, len(folded))
	for _, form := range encodings(text) {
		markMatches(folded, toLower(form), hidden)
	}
	var out strings.Builder
	for i, r := range plain {
		switch {
		case !hidden[i]:
			out.WriteRune(r)
		case i == 0 || !hidden[i-1]:
			out.WriteString(mask)
		}
	}
	return out.String()
}

// isMeaningful reports whether a character carries meaning: letters, digits and pictographs do, punctuation does not.
func isMeaningful(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.So) }

// markMatches marks in hidden where s contains a window of the form, or a shorter form as a whole word.
func markMatches(s, form []rune, hidden []bool) {
	size := min(window, len(form))
	short := len(form) < window
	shared := make(map[string]struct{}, len(form))
	for i := 0; i+size <= len(form); i++ {
		shared[string(form[i:i+size])] = struct{}{}
	}
	for i := 0; i+size <= len(s); i++ {
		if _, found := shared[string(s[i:i+size])]; !found {
			continue
		}
		if short && (!isBoundary(s, i) || !isBoundary(s, i+size)) {
			continue
		}
		for j := i; j < i+size; j++ {
			hidden[j] = true
		}
	}
}

// isBoundary reports whether a word may start or end before s[i]. The end of an escape sequence counts: its last
// character looks like part of the next word.
func isBoundary(s []rune, i int) bool {
	return i == 0 || i == len(s) || !inWord(s[i-1]) || !inWord(s[i]) || escapeEnds(s[:i])
}

// inWord reports whether a character joins with its neighbours to a word. The characters of scripts that put no spaces
// between words, or hang particles on them, do not.
func inWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.M) && !unicode.In(r, unicode.Han, unicode.Hiragana,
		unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// escapePattern finds the escape sequences of URLs, of JSON and of Go.
var escapePattern = regexp.MustCompile(`(?i)(?:%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\x[0-9a-f]{2}|\\[abfnrtv])$`)

// escapeEnds reports whether s ends with an escape sequence.
func escapeEnds(s []rune) bool {
	const longest = 10
	return escapePattern.MatchString(string(s[max(0, len(s)-longest):]))
}

// encodings returns the text as it may be quoted back: plain, escaped for URLs, for JSON in both ways, and for HTML.
func encodings(text string) []string {
	quoted, err := json.Marshal(text)
	if err != nil {
		quoted = []byte(`""`)
	}
	inASCII := strconv.QuoteToASCII(text)
	return []string{
		text,
		url.PathEscape(text),
		url.QueryEscape(text),
		string(quoted[1 : len(quoted)-1]),
		inASCII[1 : len(inASCII)-1],
		html.EscapeString(text),
	}
}

// toLower folds letter case one character at a time, so that places in the result are places in s.
func toLower(s string) []rune {
	runes := []rune(s)
	for i, r := range runes {
		runes[i] = unicode.ToLower(r)
	}
	return runes
}

// clip cuts s to at most limit bytes, never inside a character, and makes it one line of valid UTF-8.
func clip(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > limit {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	return strings.TrimSpace(s)
}
