package simulator

// strip holds every syllable of every speaker as frames of a codec, ready to
// be strung together, and a silent frame.
type strip struct {
	rate      int        // samples a second
	samples   int        // of a frame
	frames    int        // of a syllable
	syllables [][][]byte // speaker by speaker
	silence   []byte
}

// cutStrip deals the frames out: so many for each syllable of each speaker,
// and the silent one last.
func cutStrip(rate, samples, frames int, cut [][]byte) *strip {
	s := &strip{rate: rate, samples: samples, frames: frames}
	for range len(speakers()) * len(syllables()) {
		s.syllables = append(s.syllables, cut[:frames])
		cut = cut[frames:]
	}
	s.silence = cut[0]
	return s
}

// utter strings frames together as an utterance plans them. The plan counts in
// frames of MP3, which last otherwise: what a syllable takes too much or too
// little is made up for in the next rest, so that the length stays right.
func (s *strip) utter(plan []int, speaker int) [][]byte {
	offset := speaker * len(s.syllables) / len(speakers())
	var out [][]byte
	due := 0.0 // samples that should have been
	rests := func() {
		for float64(len(out)*s.samples)+float64(s.samples)/2 <= due {
			out = append(out, s.silence)
		}
	}
	for _, sound := range plan {
		const unit = float64(frameSamples) / frameRate
		if sound == rest {
			due += unit * float64(s.rate)
			rests()
			continue
		}
		due += clipFrames * unit * float64(s.rate)
		out = append(out, s.syllables[offset+sound]...)
	}
	rests()
	return out
}
