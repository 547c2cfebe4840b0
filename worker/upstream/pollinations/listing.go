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
)

// wireModel is an entry of a model list. Its members stay raw: their types differ between versions, and one of an
// unexpected type must not invalidate the list.
type wireModel map[string]json.RawMessage

// readList parses a list in any of its shapes: an array, or an object with one as "data" or "models". It returns false
// for anything else. An entry of another kind becomes an empty one.
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

// The most that a list may claim. What is beyond it is a mistake, of which nothing is better than to believe it.
const (
	// maxSide is that of an image's side, so that a product of two cannot overflow.
	maxSide       = 1 << 16
	maxRPM        = 1_000_000
	maxReferences = 64
	maxPrice      = 1e6
)

// model converts the entry and counts the parts that are skipped: invalid names and voices, limits and prices out of
// range. Without a valid name there is no model.
func (w wireModel) model() (m Model, odd int) {
	limit := func(name string, most int) int {
		n, sound := count(w[name], most)
		if !sound {
			odd++
		}
		return n
	}
	names := func(list []json.RawMessage, fits func(string) bool) (kept []string) {
		for _, raw := range list {
			switch name := nameOf(raw); {
			case !fits(name):
				odd++
			case len(kept) < maxListed && !slices.Contains(kept, name):
				kept = append(kept, name)
			}
		}
		return kept
	}
	m = Model{
		Title:              w.word("title"),
		Description:        w.word("description"),
		PaidOnly:           isTrue(stringOf(w["paid_only"])),
		Health:             w.health(),
		PerUserRPM:         limit("per_user_rpm", maxRPM),
		MaxWidth:           limit("max_width", maxSide),
		MaxHeight:          limit("max_height", maxSide),
		MaxPixels:          limit("max_pixels", maxPixels),
		MaxReferenceImages: limit("max_reference_images", maxReferences),
		Aliases:            names(w.list("aliases"), isName),
		Voices:             names(w.list("voices"), isVoice),
	}
	if m.Name = cmp.Or(nameOf(w["name"]), nameOf(w["id"])); !isName(m.Name) {
		return Model{}, odd + 1
	}
	w.measure(&m)
	odd += w.price(&m)
	return m, odd
}

// isName reports whether a model can be requested by this name.
func isName(name string) bool {
	return name != "" && utf8.RuneCountInString(name) <= maxName && isShown(name)
}

// isVoice reports whether a voice is well-formed: letters, digits and separators.
func isVoice(voice string) bool {
	const longest = 64
	return voice != "" && len(voice) <= longest && strings.TrimSpace(voice) == voice && !strings.ContainsFunc(voice, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-. ", r)
	})
}

// isShown reports whether a string can be displayed as it is.
func isShown(word string) bool {
	return utf8.ValidString(word) && strings.TrimSpace(word) == word && !strings.ContainsFunc(word, func(r rune) bool {
		return !unicode.IsPrint(r) || r == utf8.RuneError
	})
}

// makes reports whether the model's output is of a kind, or unknown.
func (w wireModel) makes(kind string) bool {
	kinds := w.words("output_modalities")
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// health reads a string, a boolean, or an object with a member of that name.
func (w wireModel) health() string {
	if said := stringOf(w["health"]); said != "" {
		return said
	}
	var inner wireModel
	if json.Unmarshal(w["health"], &inner) != nil {
		return ""
	}
	return cmp.Or(stringOf(inner["status"]), stringOf(inner["state"]))
}

// measure sets the largest of the sizes that the model lists.
func (w wireModel) measure(m *Model) {
	for _, size := range w.words("resolutions") {
		across, down, is := strings.Cut(strings.ToLower(size), "x")
		if !is {
			continue
		}
		width, err := strconv.Atoi(across)
		height, err2 := strconv.Atoi(down)
		if err == nil && err2 == nil && width > 0 && height > 0 && width <= maxSide && height <= maxSide &&
			width*height <= maxPixels && width*height > m.MaxWidth*m.MaxHeight {
			m.MaxWidth, m.MaxHeight = width, height
		}
	}
	if m.MaxPixels == 0 {
		m.MaxPixels = min(m.MaxWidth*m.MaxHeight, maxPixels)
	}
}

// price sets the prices and counts the invalid ones.
func (w wireModel) price(m *Model) (odd int) {
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
			odd++
			continue
		}
		if m.Prices == nil {
			m.Prices, m.Rates = make(map[string]string), make(map[string]float64)
		}
		m.Prices[kind], m.Rates[kind] = written, n
	}
	flat := isTrue(w.word("flat_rate"))
	if perCharacter := m.Rates[audioTokens]; perCharacter < mostPerCharacter && !flat {
		m.PerThousandCharacters = 1000 * perCharacter
	}
	if flat || !m.pricedByTokens() {
		m.PerImage = m.Rates[imageTokens]
	}
	return odd
}

const (
	// mostPerCharacter parts the price of a character from that of a whole piece of music, which is listed under the same
	// name: it is ten times what the dearest voice costs.
	mostPerCharacter = 0.001
	// leastPerImage parts the price of an image from that of a token in the same way; no image is cheaper.
	leastPerImage = 0.0001
)

// pricedByTokens reports whether the price under the name of an image is that of a token. Such models have prices for the
// words put in as well, or are too cheap to be true, or belong to the families that are known for it.
func (m *Model) pricedByTokens() bool {
	if positive(m.Rates) != 1 || m.Rates[imageTokens] < leastPerImage {
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

// list reads an array, or a single value as one.
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

// nameOf returns a string, or the name of an object; empty for anything else.
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

// words reads a list of words, or of objects that have a name, or one word alone.
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

// size returns the name of a size in a model, or its dimensions.
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

// cleanString returns s without characters that cannot be displayed, cut to a bounded length.
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
func count(raw json.RawMessage, most int) (n int, sound bool) {
	f, err := strconv.ParseFloat(stringOf(raw), 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, true
	case f >= 0 && f <= float64(most):
		return int(f), true
	}
	return 0, false
}
