package simulator

import "context"

// RenderClips synthesizes every syllable of every speaker at a rate, each n
// samples long, in the order of the embedded clips.
func RenderClips(rate float64, n int) [][]int16 {
	var clips [][]int16
	for _, v := range speakers() {
		for _, s := range syllables() {
			clips = append(clips, s.render(v, rate, n))
		}
	}
	return clips
}

// Draw renders a picture past the HTTP surface.
func (s *Simulator) Draw(prompt string, seed int64, width, height int) ([]byte, error) {
	art, err := s.render(context.Background(), drawing{prompt: prompt, model: "flux", seed: seed, width: width, height: height})
	if err != nil {
		return nil, err
	}
	return art.bytes, nil
}

// FrameNumber numbers a frame of FLAC.
func FrameNumber(n int) []byte { return appendFrameNumber(nil, n) }
