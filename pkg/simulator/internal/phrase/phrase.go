// Package phrase writes the texts of the simulated language models: it
// translates between Chinese and English word by word, improves image prompts
// and makes small talk. The same input always gives the same text.
package phrase

import (
	"slices"
	"strings"
	"unicode"
)

// Reply returns the reply to a user message. The system message selects the
// task: translating the text, improving an image prompt, or small talk.
func Reply(system, user string) string {
	text, system := Unwrap(user), strings.ToLower(system)
	switch {
	case text == "":
		return "Please tell me what you would like to see."
	case containsAny(system, "translat", "翻译", "译成"):
		return translate(text)
	case containsAny(system, "prompt", "improve", "optimi", "enhance", "image", "picture", "提示词", "优化", "图像", "图片"):
		return Improve(text)
	default:
		return "You said: " + text
	}
}

// Reasoning returns the reasoning of a model about a user message.
func Reasoning(user string) string {
	if hasHan(user) {
		return "用户给出了一段简短的描述。我需要保留原意，补充必要的细节，并只输出结果。"
	}
	return "The user gives a short text. I should keep its meaning, add what is missing, and answer with the result alone."
}

// Unwrap removes what a client may put around the text of the user: a tag, a code
// fence, quotation marks, a label on a line of its own.
func Unwrap(text string) string {
	text = strings.TrimSpace(text)
	for {
		inner := text
		if label, rest, found := strings.Cut(inner, "\n"); found && len(label) <= 60 && (strings.HasSuffix(label, ":") || strings.HasSuffix(label, "：")) {
			inner = rest
		}
		inner = strings.TrimSpace(inner)
		if open, rest, found := strings.Cut(inner, ">"); found && strings.HasPrefix(open, "<") && !strings.ContainsAny(open, " \n/") {
			inner = strings.TrimSuffix(rest, "</"+open[1:]+">")
		}
		for _, pair := range [][2]string{{"```", "```"}, {`"""`, `"""`}, {`"`, `"`}, {"“", "”"}, {"「", "」"}, {"«", "»"}} {
			if len(inner) > len(pair[0])+len(pair[1]) && strings.HasPrefix(inner, pair[0]) && strings.HasSuffix(inner, pair[1]) {
				inner = inner[len(pair[0]) : len(inner)-len(pair[1])]
				break
			}
		}
		inner = strings.TrimSpace(inner)
		if inner == text || inner == "" {
			return text
		}
		text = inner
	}
}

// IsHan reports whether a character is written, and spoken, as a syllable:
// Chinese, Japanese or Korean.
func IsHan(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

func hasHan(text string) bool { return strings.ContainsFunc(text, IsHan) }

func containsAny(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
