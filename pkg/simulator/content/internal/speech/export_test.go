package speech

// RenderClips synthesizes every syllable of every speaker at a rate, each n
// samples long, in the order of the embedded frames.
func RenderClips(rate float64, n int) [][]int16 {
	var clips [][]int16
	for _, v := range speakers() {
		for _, s := range syllables() {
			clips = append(clips, s.render(v, rate, n))
		}
	}
	return clips
}
