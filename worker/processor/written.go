package processor

import "unicode/utf8"

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
