package phrase

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// translate translates Chinese to English and anything else to Chinese, word by
// word with a small dictionary. It keeps unknown words.
func translate(text string) string {
	if hasHan(text) {
		return toEnglish(text)
	}
	return toChinese(text)
}

// toEnglish translates the longest known words, clause by clause.
func toEnglish(text string) string {
	known := map[string]string{}
	for _, pair := range dictionary() {
		if _, taken := known[pair.chinese]; !taken {
			known[pair.chinese] = pair.english
		}
	}
	var out strings.Builder
	var clause []rune
	end := func(mark string) {
		if len(clause) > 0 {
			out.WriteString(clauseToEnglish(string(clause), known))
			clause = clause[:0]
		}
		out.WriteString(mark)
	}
	marks := map[rune]string{'，': ", ", '、': ", ", '。': ". ", '！': "! ", '？': "? ", '；': "; ", '：': ": ", '（': " (", '）': ") ", '\n': "\n"}
	for _, r := range text {
		if mark, ok := marks[r]; ok {
			end(mark)
			continue
		}
		clause = append(clause, r)
	}
	end("")
	return upperFirst(strings.TrimSpace(out.String()))
}

// clauseToEnglish translates the text between two punctuation marks. "X在Y下Z"
// becomes "X Z under Y".
func clauseToEnglish(clause string, known map[string]string) string {
	if whole, ok := known[clause]; ok {
		return whole
	}
	subject, rest, found := strings.Cut(clause, "在")
	if !found || rest == "" {
		return segment(clause, known)
	}
	place, action, preposition := splitPlace(rest)
	var parts []string
	for _, part := range []string{segment(subject, known), segment(action, known), preposition, segment(place, known)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// splitPlace splits the text after 在 into the place, up to the first word of
// position, and the action.
func splitPlace(text string) (place, action, preposition string) {
	place, preposition = text, "at"
	first := len(text)
	for _, p := range [][2]string{{"旁边", "beside"}, {"前面", "in front of"}, {"上", "on"}, {"下", "under"}, {"里", "in"}, {"中", "in"}, {"前", "before"}, {"旁", "beside"}} {
		if n := strings.Index(text, p[0]); n > 0 && n < first {
			first, preposition = n, p[1]
			place, action = text[:n], text[n+len(p[0]):]
		}
	}
	return place, action, preposition
}

// segment translates the longest matches from left to right.
func segment(text string, known map[string]string) string {
	var parts []string
	kept := false // the last part is untranslated
	for text != "" {
		if word, n := longest(text, known); n > 0 {
			if word != "" {
				parts = append(parts, word)
			}
			text, kept = text[n:], false
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case unicode.IsSpace(r):
			kept = false
		case kept:
			parts[len(parts)-1] += string(r)
		default:
			parts, kept = append(parts, string(r)), true
		}
		text = text[size:]
	}
	return strings.Join(parts, " ")
}

// longest returns the translation of the longest known word that a text begins
// with, and the length of that word in bytes.
func longest(text string, known map[string]string) (string, int) {
	const most = 8 // characters of the longest word
	found, length, at := "", 0, 0
	for n := 0; n < most && at < len(text); n++ {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
		if word, ok := known[text[:at]]; ok {
			found, length = word, at
		}
	}
	return found, length
}

// toChinese translates the longest known sequences of words.
func toChinese(text string) string {
	known := map[string]string{}
	for _, pair := range dictionary() {
		if english := strings.ToLower(pair.english); english != "" && known[english] == "" {
			known[english] = pair.chinese
		}
	}
	for _, silent := range strings.Fields("a an the of is are") {
		known[silent] = "的"
		if silent != "of" {
			known[silent] = ""
		}
	}
	fields := strings.Fields(text)
	var out strings.Builder
	lastKept := false
	for at := 0; at < len(fields); {
		chinese, n, mark := sequence(fields[at:], known)
		kept := n == 0
		if kept {
			chinese, n = fields[at], 1
		}
		if kept && out.Len() > 0 && (lastKept || !strings.HasSuffix(out.String(), "，")) {
			out.WriteByte(' ')
		} else if lastKept && chinese != "" {
			out.WriteByte(' ')
		}
		out.WriteString(chinese + mark)
		lastKept = kept
		at += n
	}
	if result := strings.TrimSpace(out.String()); result != "" {
		return result
	}
	return strings.TrimSpace(text)
}

// sequence finds the longest known sequence of at most six words, as written or
// in the singular, and the punctuation mark after it.
func sequence(fields []string, known map[string]string) (chinese string, n int, mark string) {
	marks := map[byte]string{',': "，", '.': "。", '!': "！", '?': "？", ';': "；", ':': "："}
	var phrase string
	for count, field := range fields[:min(6, len(fields))] {
		bare := strings.ToLower(strings.TrimRight(field, ",.!?;:"))
		phrase = strings.TrimSpace(phrase + " " + bare)
		for _, form := range []string{phrase, strings.TrimSuffix(phrase, "s"), strings.TrimSuffix(phrase, "es"), strings.TrimSuffix(phrase, "'s")} {
			if word, ok := known[form]; ok {
				chinese, n, mark = word, count+1, marks[field[len(field)-1]]
				break
			}
		}
		if bare != strings.ToLower(field) {
			break // A punctuation mark ends the sequence.
		}
	}
	return chinese, n, mark
}

func upperFirst(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	if size == 0 {
		return text
	}
	return string(unicode.ToUpper(r)) + text[size:]
}
