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

// mask replaces redacted text.
const mask = "***"

// window is the number of consecutive characters of a user's text that are redacted, so that a response that quotes only
// a part of it is redacted as well. Shorter runs are ordinary words. A text that is shorter itself is redacted as a whole
// and only as a separate word: masking every "a" would make messages unreadable.
const window = 12

// redactor removes keys and a user's texts from messages.
type redactor struct {
	key     string
	private []string
}

var (
	// secretPatterns match keys, passwords and email addresses; the first group is kept.
	secretPatterns = []*regexp.Regexp{
		regexp.MustCompile(`(?i)(\b(?:[a-z_]*key|[a-z_]*token|secret|password|sig|signature)=)[^&\s"'<>]+`),
		regexp.MustCompile(`(?i)(\bBearer\s+)[A-Za-z0-9._~+/=-]+`),
		regexp.MustCompile(`()\b[sp]k[_-][A-Za-z0-9_-]{6,}`),
		regexp.MustCompile(`(://)[^/\s@"']+@`),
		regexp.MustCompile(`()[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`),
	}
	// urlPattern matches URLs with a path or query, which may contain the user's text. Their host is kept.
	urlPattern = regexp.MustCompile(`(?i)\b(https?://[^\s/"'<>?#]+)[/?#][^\s"'<>]*`)
)

// clean returns s without keys, email addresses, URL paths, and the user's texts in any common encoding.
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
	return urlPattern.ReplaceAllString(s, "${1}/"+mask)
}

// redact masks every run of window characters that s shares with the text, plain or encoded, in any letter case. A short
// text of only punctuation is kept.
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

// isMeaningful reports whether a character is a letter, a digit or a pictograph, unlike punctuation.
func isMeaningful(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.So) }

// markMatches sets hidden where s contains a window of the form, or a shorter form as a whole word.
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

// isBoundary reports whether a word may start or end before s[i]. The end of an escape sequence is a boundary, although
// its last character looks like a part of the next word.
func isBoundary(s []rune, i int) bool {
	return i == 0 || i == len(s) || !inWord(s[i-1]) || !inWord(s[i]) || escapeEnds(s[:i])
}

// inWord reports whether a character forms words with its neighbours. Characters of scripts without spaces between words,
// or with attached particles, do not.
func inWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.N, unicode.M) && !unicode.In(r, unicode.Han, unicode.Hiragana,
		unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// escapePattern matches an escape sequence of URLs, JSON or Go at the end.
var escapePattern = regexp.MustCompile(`(?i)(?:%[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}|\\x[0-9a-f]{2}|\\[abfnrtv])$`)

// escapeEnds reports whether s ends with an escape sequence.
func escapeEnds(s []rune) bool {
	const longest = 10
	return escapePattern.MatchString(string(s[max(0, len(s)-longest):]))
}

// encodings returns the forms in which a response may quote the text: plain, and escaped for URLs, JSON and HTML.
func encodings(text string) []string {
	quoted, err := json.Marshal(text)
	if err != nil {
		quoted = []byte(`""`)
	}
	ascii := strconv.QuoteToASCII(text)
	return []string{
		text,
		url.PathEscape(text),
		url.QueryEscape(text),
		string(quoted[1 : len(quoted)-1]),
		ascii[1 : len(ascii)-1],
		html.EscapeString(text),
	}
}

// toLower folds letter case character by character, so that indexes into the result are indexes into the runes of s.
func toLower(s string) []rune {
	runes := []rune(s)
	for i, r := range runes {
		runes[i] = unicode.ToLower(r)
	}
	return runes
}

// clip returns s as one line of valid UTF-8 of at most limit bytes, never cut inside a character.
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
