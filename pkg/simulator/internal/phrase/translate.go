package phrase

import (
	"regexp"
	"slices"
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

// toEnglish translates clause by clause.
func toEnglish(text string) string {
	words := dictionary()
	slices.SortStableFunc(words, func(a, b entry) int { return len(b.chinese) - len(a.chinese) })
	var pairs []string
	for _, w := range words {
		pairs = append(pairs, w.chinese, " "+w.english+" ")
	}
	longest := strings.NewReplacer(pairs...)
	translated := regexp.MustCompile(`[^，、。！？；：（）\n]+`).ReplaceAllStringFunc(text, func(clause string) string {
		return clauseToEnglish(clause, words, longest)
	})
	marks := strings.NewReplacer("，", ", ", "、", ", ", "。", ". ", "！", "! ", "？", "? ", "；", "; ", "：", ": ", "（", " (", "）", ") ")
	return upperFirst(strings.TrimSpace(marks.Replace(translated)))
}

// clauseToEnglish translates the text between two punctuation marks. "X在Y下Z"
// becomes "X Z under Y".
func clauseToEnglish(clause string, words []entry, longest *strings.Replacer) string {
	if n := slices.IndexFunc(words, func(w entry) bool { return w.chinese == clause }); n >= 0 {
		return words[n].english
	}
	if m := regexp.MustCompile(`^(.*?)在(.+?)(旁边|前面|上|下|里|中|前|旁|$)(.*)$`).FindStringSubmatch(clause); m != nil {
		prepositions := map[string]string{
			"": "at", "旁边": "beside", "前面": "in front of", "上": "on", "下": "under", "里": "in", "中": "in", "前": "before", "旁": "beside",
		}
		clause = m[1] + " " + m[4] + " " + prepositions[m[3]] + " " + m[2]
	}
	return strings.Join(strings.Fields(longest.Replace(clause)), " ")
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
