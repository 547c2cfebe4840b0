package processor

import "unicode/utf8"

// textPercent estimates the progress of a text, from 1 to 99 percent: only the model knows when it is complete. A text
// longer than expected approaches 99 with each character and never reaches it.
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
