package pollinations

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// wireModel is an entry of a model list. Its members are raw: their types differ between versions, and one of an
// unexpected type must not invalidate the list.
type wireModel map[string]json.RawMessage

// readList parses a list in any of its formats: an array, or an object with an array "data" or "models". It returns false
// for anything else. An entry of an unexpected type becomes an empty one.
func readList(body []byte) ([]wireModel, bool) {
	var raw []json.RawMessage
	if json.Unmarshal(body, &raw) != nil {
		var around struct {
			Data   []json.RawMessage `json:"data"`
			Models []json.RawMessage `json:"models"`
		}
		if json.Unmarshal(body, &around) != nil {
			return nil, false
		}
		if raw = around.Data; raw == nil {
			raw = around.Models
		}
		if raw == nil {
			return nil, false
		}
	}
	entries := make([]wireModel, 0, min(len(raw), 2*maxModels))
	for _, one := range raw[:min(len(raw), 2*maxModels)] {
		var w wireModel
		if len(one) > 0 && one[0] == '"' {
			w = wireModel{"name": one}
		} else if json.Unmarshal(one, &w) != nil {
			w = nil
		}
		entries = append(entries, w)
	}
	return entries, true
}

// The maximum values in a list. Larger ones are mistakes and are skipped.
const (
	// maxSide is the maximum width and height, whose product cannot overflow.
	maxSide       = 1 << 16
	maxRPM        = 1_000_000
	maxReferences = 64
	maxPrice      = 1e6
)

// model converts the entry, and counts the parts that are skipped: invalid names and voices, limits and prices out of
// range. The model of an entry without a valid name is empty.
func (w wireModel) model() (m Model, skipped int) {
	limit := func(name string, most int) int {
		n, ok := count(w[name], most)
		if !ok {
			skipped++
		}
		return n
	}
	names := func(list []json.RawMessage, valid func(string) bool) (kept []string) {
		for _, raw := range list {
			switch name := nameOf(raw); {
			case !valid(name):
				skipped++
			case len(kept) < maxListed && !slices.Contains(kept, name):
				kept = append(kept, name)
			}
		}
		return kept
	}
	m = Model{
		Title:              w.word("title"),
		PaidOnly:           isTrue(stringOf(w["paid_only"])),
		Health:             w.health(),
		PerUserRPM:         limit("per_user_rpm", maxRPM),
		MaxWidth:           limit("max_width", maxSide),
		MaxHeight:          limit("max_height", maxSide),
		MaxPixels:          limit("max_pixels", media.MaxPixels),
		MaxReferenceImages: limit("max_reference_images", maxReferences),
		Aliases:            names(w.list("aliases"), isName),
		Voices:             names(w.list("voices"), isVoice),
	}
	if m.Name = cmp.Or(nameOf(w["name"]), nameOf(w["id"])); !isName(m.Name) {
		return Model{}, skipped + 1
	}
	w.setSize(&m)
	skipped += w.setPrices(&m)
	return m, skipped
}

// isName reports whether the name of a model is valid.
func isName(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= maxName && isPrintable(name)
}

// isVoice reports whether the name of a voice is valid: letters, digits and separators.
func isVoice(voice string) bool {
	const longest = 64
	return voice != "" && len(voice) <= longest && strings.TrimSpace(voice) == voice && !strings.ContainsFunc(voice, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-. ", r)
	})
}

// isPrintable reports whether a string can be displayed unchanged.
func isPrintable(word string) bool {
	return utf8.ValidString(word) && strings.TrimSpace(word) == word && !strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsPrint(r) || r == utf8.RuneError
	})
}

// makes reports whether the model's output is of a kind, or of an unknown one.
func (w wireModel) makes(kind string) bool {
	kinds := w.words("output_modalities")
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// health returns the member "health": a string, a boolean, or an object with a status or state.
func (w wireModel) health() string {
	if health := stringOf(w["health"]); health != "" {
		return health
	}
	var inner wireModel
	if json.Unmarshal(w["health"], &inner) != nil {
		return ""
	}
	return cmp.Or(stringOf(inner["status"]), stringOf(inner["state"]))
}

// setSize sets the largest of the listed resolutions.
func (w wireModel) setSize(m *Model) {
	for _, size := range w.words("resolutions") {
		first, second, ok := strings.Cut(strings.ToLower(size), "x")
		if !ok {
			continue
		}
		width, err := strconv.Atoi(first)
		height, err2 := strconv.Atoi(second)
		if err == nil && err2 == nil && width > 0 && height > 0 && width <= maxSide && height <= maxSide &&
			width*height <= media.MaxPixels && width*height > m.MaxWidth*m.MaxHeight {
			m.MaxWidth, m.MaxHeight = width, height
		}
	}
	if m.MaxPixels == 0 {
		m.MaxPixels = min(m.MaxWidth*m.MaxHeight, media.MaxPixels)
	}
}

// setPrices sets the prices, and counts the invalid ones.
func (w wireModel) setPrices(m *Model) (skipped int) {
	var prices wireModel
	if json.Unmarshal(w["pricing"], &prices) != nil {
		return 0
	}
	m.Currency = stringOf(prices["currency"])
	delete(prices, "currency")
	for kind, raw := range prices {
		written := stringOf(raw)
		if written == "" || len(m.Prices) == maxListed {
			continue
		}
		n, err := strconv.ParseFloat(written, 64)
		if err != nil || !(n >= 0 && n <= maxPrice) || !isName(kind) {
			skipped++
			continue
		}
		if m.Prices == nil {
			m.Prices, m.Rates = make(map[string]string), make(map[string]float64)
		}
		m.Prices[kind], m.Rates[kind] = written, n
	}
	flat := isTrue(w.word("flat_rate"))
	if perCharacter := m.Rates[audioTokens]; perCharacter < maxPerCharacter && !flat {
		m.PerThousandCharacters = 1000 * perCharacter
	}
	if flat || !m.pricedByTokens() {
		m.PerImage = m.Rates[imageTokens]
	}
	return skipped
}

const (
	// maxPerCharacter distinguishes the price of a character from the price of a piece of music, which has the same name.
	// It is ten times the price of the most expensive voice.
	maxPerCharacter = 0.001
	// minPerImage distinguishes the price of an image from the price of a token in the same way; no image is cheaper.
	minPerImage = 0.0001
)

// pricedByTokens reports whether the price of an image is actually the price of a token: the model also has a price for
// input, or the price is too low for an image, or the model belongs to a family with prices by token.
func (m *Model) pricedByTokens() bool {
	if positive(m.Rates) != 1 || m.Rates[imageTokens] < minPerImage {
		return true
	}
	return slices.ContainsFunc(append([]string{m.Name}, m.Aliases...), func(name string) bool {
		name = strings.ToLower(name)
		return isGPTImage(name) || strings.Contains(name, "nanobanana") || strings.Contains(name, "nano-banana")
	})
}

func positive(rates map[string]float64) int {
	n := 0
	for _, rate := range rates {
		if rate > 0 {
			n++
		}
	}
	return n
}

func (w wireModel) word(name string) string { return stringOf(w[name]) }

// list returns an array, or a single value as an array of one.
func (w wireModel) list(name string) []json.RawMessage {
	var raw []json.RawMessage
	switch {
	case json.Unmarshal(w[name], &raw) == nil:
		return raw
	case stringOf(w[name]) != "":
		return []json.RawMessage{w[name]}
	}
	return nil
}

// nameOf returns a string, or the id or name of an object; empty for anything else.
func nameOf(raw json.RawMessage) string {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return name
	}
	var inner struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if json.Unmarshal(raw, &inner) != nil {
		return ""
	}
	return cmp.Or(inner.ID, inner.Name)
}

// words returns a list of strings, or of the names or sizes of objects, or a single one.
func (w wireModel) words(name string) []string {
	var words []string
	for _, one := range w.list(name) {
		word := stringOf(one)
		if word == "" {
			var inner wireModel
			if json.Unmarshal(one, &inner) == nil {
				word = inner.size()
			}
		}
		if word != "" && len(words) < maxListed && !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return words
}

// size returns the name of a size, or its dimensions as "WxH".
func (w wireModel) size() string {
	if name := cmp.Or(w.word("id"), w.word("name")); name != "" {
		return name
	}
	width, _ := count(w["width"], maxSide)
	height, _ := count(w["height"], maxSide)
	if width > 0 && height > 0 {
		return strconv.Itoa(width) + "x" + strconv.Itoa(height)
	}
	return ""
}

// stringOf returns a string, or a number or boolean as written; empty for anything else.
func stringOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return cleanString(s)
}

// cleanString returns s without control characters and invalid UTF-8, cut to maxWord.
func cleanString(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	end := min(len(s), maxWord)
	for end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end])
}

// count returns an integer up to most, written as a number or a string; 0 for anything else. It returns false for a
// number out of range.
func count(raw json.RawMessage, most int) (n int, ok bool) {
	f, err := strconv.ParseFloat(stringOf(raw), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, true
	case f >= 0 && f <= float64(most):
		return int(f), true
	}
	return 0, false
}
