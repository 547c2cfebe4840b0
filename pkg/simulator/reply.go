package simulator

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// reply is what the simulated language model says. It understands two tasks
// from the system message, translating a phrase and improving an image
// prompt, and makes small talk otherwise. The same request gets the same
// reply.
func reply(request chatRequest) string {
	text := unwrap(request.lastUser())
	system := strings.ToLower(request.system())
	answer := ""
	switch {
	case text == "":
		answer = "Please tell me what you would like to see."
	case containsAny(system, "translat", "翻译", "译成"):
		answer = translate(text)
	case containsAny(system, "prompt", "improve", "optimi", "enhance", "image", "picture", "提示词", "优化", "图像", "图片"):
		answer = improve(text)
	default:
		answer = "You said: " + text
	}
	if request.jsonMode() {
		return string(encode(map[string]string{"result": answer}))
	}
	return answer
}

func containsAny(text string, parts ...string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// reason is what a thinking model shows of its thoughts.
func reason(request chatRequest) string {
	if hasHan(request.lastUser()) {
		return "用户给出了一段简短的描述。我需要保留原意，补充必要的细节，并只输出结果。"
	}
	return "The user gives a short text. I should keep its meaning, add what is missing, and answer with the result alone."
}

// hasHan reports whether a text is, at least in part, written in Chinese,
// Japanese or Korean.
func hasHan(text string) bool { return strings.ContainsFunc(text, isHan) }

// unwrap takes the user's own words out of what a client may put around
// them: a tag, a fence, quotation marks, a label on a line of its own.
func unwrap(text string) string {
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

// chanceOf is repeatable chance derived from a text.
func chanceOf(text string) *rand.Rand {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text))
	return rand.New(rand.NewPCG(hash.Sum64(), 7)) //nolint:gosec // Repeatable, not secret.
}
