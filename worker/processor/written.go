package processor

import "unicode/utf8"

// textPercent estimates the progress of a text in percent, from 1 to 99: it is complete only when the model says so. A text that is
// longer than expected approaches the end with each character, and never reaches it.
func textPercent(soFar string, expected int) int {
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
