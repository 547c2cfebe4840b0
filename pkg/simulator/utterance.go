package simulator

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode"
)

const (
	frameSamples = 1152  // samples of an MP3 frame
	frameRate    = 44100 // samples a second of the MP3 frames
	clipFrames   = 7     // frames of a syllable
	latinPace    = 14.0  // characters a second
	hanPace      = 4.5   // characters a second of Chinese, Japanese and Korean
	rest         = -1    // a silent frame in an utterance
)

// isHan reports whether a character is spoken as a syllable of its own.
func isHan(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul)
}

// isWide reports whether a character takes the time of a Chinese one; the
// punctuation of Chinese text does too.
func isWide(r rune) bool {
	return isHan(r) || (r >= 0x3000 && r <= 0x303f) || (r >= 0xff00 && r <= 0xffef)
}

// utter plans the sound of a text: the number of a syllable, which lasts
// clipFrames frames, or rest, which lasts one. The length follows the text:
// each character adds the time it takes to say it.
func utter(text, voice string) []int {
	var (
		plan   []int
		owed   float64 // frames that the text so far should take
		spent  int     // frames planned
		sounds = len(syllables())
		hash   = fnv.New32a()
		voiced bool
	)
	say := func() {
		// The syllable depends on the word so far and on the voice.
		_, _ = hash.Write([]byte(voice))
		plan = append(plan, int(hash.Sum32()%uint32(sounds))) //nolint:gosec // A small constant.
		spent += clipFrames
		voiced = true
	}
	silence := func() {
		for float64(spent) < math.Floor(owed) {
			plan = append(plan, rest)
			spent++
		}
	}
	const framesPerSecond = float64(frameRate) / frameSamples
	for _, r := range text {
		pace := latinPace
		if isWide(r) {
			pace = hanPace
		}
		owed += framesPerSecond / pace
		_, _ = hash.Write([]byte(string(r)))
		switch {
		case isHan(r):
			if owed-float64(spent) >= clipFrames {
				say()
			}
			silence()
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if owed-float64(spent) >= clipFrames {
				say()
			}
		case !unicode.IsSpace(r):
			silence() // Punctuation is heard as a pause.
		}
	}
	if !voiced {
		say()
	}
	owed = math.Ceil(owed)
	silence()
	return plan
}

// speakerOf picks the speaker for a voice by name.
func speakerOf(voice string) int {
	name := strings.ToLower(voice)
	_, short, found := strings.Cut(name, "_")
	male := found && len(name) > 1 && name[1] == 'm'
	if male || slices.Contains(lowVoices(), name) || slices.Contains(lowVoices(), short) {
		return 0
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(name))
	return 1 + int(hash.Sum32()%2)
}
