package pollinations

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// wireModel is an entry of a list. Its members stay raw, because their types differ between versions, and because one
// member of an unexpected type must not cost the whole list.
type wireModel map[string]json.RawMessage

// readList reads a list in any of its shapes: an array, or an object that holds one as "data" or "models". It reports
// false when there is none.
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
		} else if json.Unmarshal(one, &w) != nil || w == nil {
			continue
		}
		entries = append(entries, w)
	}
	return entries, true
}

// model reads what the entry says.
func (w wireModel) model() Model {
	m := Model{
		Name:        cmp.Or(w.word("name"), w.word("id")),
		Aliases:     w.words("aliases"),
		Title:       w.word("title"),
		Description: w.word("description"),
		Voices:      w.words("voices"),
		PaidOnly:    isTrue(wordOf(w["paid_only"])),
		Health:      w.health(),
		PerUserRPM:  count(w["per_user_rpm"]),
		MaxWidth:    count(w["max_width"]),
		MaxHeight:   count(w["max_height"]),
		MaxPixels:   count(w["max_pixels"]),
	}
	w.measure(&m)
	w.price(&m)
	return m
}

// makes says whether the model's output is of a kind, or not told.
func (w wireModel) makes(kind string) bool {
	kinds := w.words("output_modalities")
	return len(kinds) == 0 || slices.Contains(kinds, kind)
}

// health reads a word, a switch, or an object with a member of such a name.
func (w wireModel) health() string {
	if said := wordOf(w["health"]); said != "" {
		return said
	}
	var inner wireModel
	if json.Unmarshal(w["health"], &inner) != nil {
		return ""
	}
	return cmp.Or(wordOf(inner["status"]), wordOf(inner["state"]))
}

// measure takes the largest of the sizes that the model lists.
func (w wireModel) measure(m *Model) {
	for _, size := range w.words("resolutions") {
		across, down, is := strings.Cut(strings.ToLower(size), "x")
		if !is {
			continue
		}
		width, err := strconv.Atoi(across)
		height, err2 := strconv.Atoi(down)
		if err == nil && err2 == nil && width > 0 && height > 0 && width <= maxSide && height <= maxSide &&
			width*height > m.MaxWidth*m.MaxHeight {
			m.MaxWidth, m.MaxHeight = width, height
		}
	}
	if m.MaxPixels == 0 {
		m.MaxPixels = m.MaxWidth * m.MaxHeight
	}
}

// maxSide bounds the side of a picture that a list may claim, so that a product of two cannot overflow.
const maxSide = 1 << 20

// price reads the prices.
func (w wireModel) price(m *Model) {
	var prices wireModel
	if json.Unmarshal(w["pricing"], &prices) != nil {
		return
	}
	m.Currency = wordOf(prices["currency"])
	delete(prices, "currency")
	for kind, raw := range prices {
		written := wordOf(raw)
		if written == "" || len(m.Prices) == maxListed || wordFrom(kind) != kind {
			continue
		}
		if m.Prices == nil {
			m.Prices, m.Rates = make(map[string]string), make(map[string]float64)
		}
		m.Prices[kind] = written
		if n, err := strconv.ParseFloat(written, 64); err == nil && n >= 0 && n <= 1e9 && !math.IsNaN(n) {
			m.Rates[kind] = n
		}
	}
	flat := isTrue(w.word("flat_rate"))
	if perCharacter := m.Rates[audioTokens]; perCharacter < mostPerCharacter && !flat {
		m.PerThousandCharacters = 1000 * perCharacter
	}
	if flat || !m.pricedByTokens() {
		m.PerImage = m.Rates[imageTokens]
	}
}

const (
	// mostPerCharacter parts the price of a character from that of a whole piece of music, which is listed under the same
	// name: it is ten times what the dearest voice costs.
	mostPerCharacter = 0.001
	// leastPerImage parts the price of a picture from that of a token in the same way; no picture is cheaper.
	leastPerImage = 0.0001
)

// pricedByTokens says whether the price under the name of a picture is that of a token. Such models have prices for the
// words put in as well, or are too cheap to be true, or belong to the families that are known for it.
func (m *Model) pricedByTokens() bool {
	if positive(m.Rates) != 1 || m.Rates[imageTokens] < leastPerImage {
		return true
	}
	return slices.ContainsFunc(append([]string{m.Name}, m.Aliases...), func(name string) bool {
		name = strings.ToLower(name)
		return drawsWithGPT(name) || strings.Contains(name, "nanobanana") || strings.Contains(name, "nano-banana")
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

func (w wireModel) word(name string) string { return wordOf(w[name]) }

// words reads a list of words, or of objects that have a name, or one word alone.
func (w wireModel) words(name string) []string {
	var raw []json.RawMessage
	if json.Unmarshal(w[name], &raw) != nil {
		raw = []json.RawMessage{w[name]}
	}
	var words []string
	for _, one := range raw {
		word := wordOf(one)
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

// size returns the name of an entry of a list inside a model, or its measures.
func (w wireModel) size() string {
	if name := cmp.Or(w.word("id"), w.word("name")); name != "" {
		return name
	}
	if width, height := count(w["width"]), count(w["height"]); width > 0 && height > 0 {
		return strconv.Itoa(width) + "x" + strconv.Itoa(height)
	}
	return ""
}

// wordOf returns a string, or a number or a switch as written; any other value is nothing.
func wordOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return wordFrom(s)
}

// wordFrom returns s without what cannot be shown, and cut to a bearable length.
func wordFrom(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	end := min(len(s), maxName)
	for end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSpace(s[:end])
}

// count reads a whole number, written as one or in quotation marks; what is none is 0.
func count(raw json.RawMessage) int {
	n, err := strconv.ParseFloat(wordOf(raw), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 1<<40 {
		return 0
	}
	return int(n)
}
