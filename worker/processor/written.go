package processor

import "unicode/utf8"

// usualPrompt is how many characters an improved prompt usually has.
const usualPrompt = 600

// usualTranslation returns how many characters the translation of a text usually has. A Chinese character becomes about
// three English letters, and the other way round.
func usualTranslation(text string) int {
	const factor = 3
	characters, wide := 0, 0
	for _, r := range text {
		characters++
		if utf8.RuneLen(r) > 2 {
			wide++
		}
	}
	if wide == 0 && len(text) == characters {
		return max(1, characters/factor)
	}
	return characters + (factor-1)*wide
}

// written estimates how far a text has come, in percent from 1 to 99: that it is whole is not known before its end. What
// is longer than expected comes closer to the end with each character, and never there.
func written(soFar string, expected int) int {
	const least, most, slows = 1, 99, 80
	n := utf8.RuneCountInString(soFar)
	if expected <= 0 {
		return least
	}
	if n <= expected {
		return max(least, n*slows/expected)
	}
	return slows + (most-slows)*(n-expected)/n
}
