package speech

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/phrase"
)

const (
	latinPace = 14.0 // characters per second
	hanPace   = 4.5  // characters per second of Chinese, Japanese and Korean
	rest      = -1   // a silent frame in a plan
)

// isWide reports whether a character takes the time of a Chinese one, as Chinese
// punctuation does.
func isWide(r rune) bool {
	return phrase.IsHan(r) || (r >= 0x3000 && r <= 0x303f) || (r >= 0xff00 && r <= 0xffef)
}

// newPlan returns the audio of a text as a sequence of syllable numbers, each of
// which lasts mp3Frames frames, and rests of one frame. The duration follows the
// text: each character adds the time it takes to say it.
func newPlan(text, voice string) []int {
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
		spent += mp3Frames
		voiced = true
	}
	silence := func() {
		for float64(spent) < math.Floor(owed) {
			plan = append(plan, rest)
			spent++
		}
	}
	const framesPerSecond = float64(mp3Rate) / mp3Samples
	for _, r := range text {
		pace := latinPace
		if isWide(r) {
			pace = hanPace
		}
		owed += framesPerSecond / pace
		_, _ = hash.Write([]byte(string(r)))
		switch {
		case phrase.IsHan(r):
			if owed-float64(spent) >= mp3Frames {
				say()
			}
			silence()
		case unicode.IsLetter(r), unicode.IsDigit(r):
			if owed-float64(spent) >= mp3Frames {
				say()
			}
		case !unicode.IsSpace(r):
			silence() // Punctuation is a pause.
		}
	}
	if !voiced {
		say()
	}
	owed = math.Ceil(owed)
	silence()
	return plan
}

// speakerOf selects the speaker for a voice by its name.
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

// lowVoices are the preset voices with a low pitch.
func lowVoices() []string {
	return strings.Fields(`echo onyx ash adam antoni arnold josh sam daniel charlie james fin callum liam george brian bill
		atlas castor cosmo helios kepler leo orion perseus rex rigel sal ethan`)
}
