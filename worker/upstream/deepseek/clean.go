package deepseek

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

var (
	thoughtPattern = regexp.MustCompile(`(?is)<think(?:ing)?>.*?(?:</think(?:ing)?>|$)`)
	fencePattern   = regexp.MustCompile("(?s)^```[A-Za-z0-9_+-]*[ \t]*\r?\n?(.*?)\r?\n?```$")
)

// quotes are the pairs of marks that may enclose a whole text.
var quotes = [...][2]string{
	{`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}, {"‘", "’"}, {"「", "」"}, {"『", "』"}, {"«", "»"}, {"**", "**"},
}

// clean returns the text of a response without thoughts, code fences, headings and enclosing quotation marks. Wrappings
// that the user's text has as well are kept.
func (t task) clean(raw, input string) string {
	text := thoughtPattern.ReplaceAllString(raw, "")
	if _, rest, stray := strings.Cut(text, "</think>"); stray {
		text = rest
	}
	text = printable(unmark(text, markFor(input)))
	input = strings.TrimSpace(input)
	for range 4 {
		before := text
		text = unfence(text, input)
		text = t.unlabel(text, input)
		text = unquote(text, input)
		if text == before {
			break
		}
	}
	if runes := []rune(text); len(runes) > t.maxLength {
		text = strings.TrimSpace(string(runes[:t.maxLength]))
	}
	return text
}

// printable removes invalid UTF-8, control characters and surrounding space.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "")))
}

// unmark removes the tags with the given name, which does not occur in the user's text.
func unmark(text, mark string) string {
	for {
		before, after, found := strings.Cut(text, "<"+mark+">")
		if !found {
			break
		}
		text = before + strings.TrimLeftFunc(after, unicode.IsSpace)
	}
	for {
		before, after, found := strings.Cut(text, "</"+mark+">")
		if !found {
			return text
		}
		text = strings.TrimRightFunc(before, unicode.IsSpace) + after
	}
}

func unfence(text, input string) string {
	if found := fencePattern.FindStringSubmatch(text); found != nil && !fencePattern.MatchString(input) {
		text = strings.TrimSpace(found[1])
	}
	return text
}

// unlabel removes a heading such as "Prompt:" from the start of the text, unless the input starts with one.
func (t task) unlabel(text, input string) string {
	if t.label(input) != "" {
		return text
	}
	return strings.TrimSpace(strings.TrimPrefix(text, t.label(text)))
}

// label returns the heading at the start of the text, including its colon; empty if there is none.
func (t task) label(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	end := strings.IndexAny(line, ":：")
	if end < 0 {
		return ""
	}
	word := strings.ToLower(strings.Trim(line[:end], " \t*#_"))
	if !slices.Contains(t.labels, word) {
		return ""
	}
	end += len(":")
	if strings.HasPrefix(line[end-1:], "：") {
		end += len("：") - len(":")
	}
	for strings.HasPrefix(line[end:], "*") {
		end++
	}
	return text[:end]
}

// unquote removes a pair of quotation marks around the whole text, unless the text contains more of them or the input
// starts with one.
func unquote(text, input string) string {
	for _, pair := range quotes {
		inner, opened := strings.CutPrefix(text, pair[0])
		inner, closed := strings.CutSuffix(inner, pair[1])
		if !opened || !closed || strings.HasPrefix(input, pair[0]) {
			continue
		}
		if strings.Contains(inner, pair[0]) || strings.Contains(inner, pair[1]) {
			continue
		}
		return strings.TrimSpace(inner)
	}
	return text
}
