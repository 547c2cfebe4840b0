package simulator

import (
	"image"
	"strings"
	"unicode"

	"github.com/hajimehoshi/bitmapfont/v3"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

// The font's cell: half-width characters are half as wide as high ones.
const (
	halfCell   = 6
	lineHeight = 15
	ascent     = 11
)

// typeface is the bitmap font with simplified Chinese shapes.
func typeface() font.Face { return bitmapfont.FaceSC }

// legible replaces what cannot be drawn: control characters become blanks,
// characters outside the font a question mark, marks that would need a
// composed glyph vanish.
func legible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		case r >= 0xfffe:
			return '?'
		default:
			return r
		}
	}, text)
}

// advance is the width of a character in font pixels.
func advance(face font.Face, r rune) int {
	if width, ok := face.GlyphAdvance(r); ok {
		return width.Ceil()
	}
	return halfCell
}

// wrap breaks text into lines no wider than width font pixels: at blanks
// where there are any, between any two characters otherwise. When more than
// most lines are needed, the text is cut and the last one ends in dots.
func wrap(face font.Face, text string, width, most int) (lines []string, cut bool) {
	var (
		line  []rune
		used  int
		blank = -1 // where the line can be broken
	)
	full := func(n int) { // The line ends before its n-th character.
		lines = append(lines, strings.TrimSpace(string(line[:n])))
		line = append([]rune(nil), line[n:]...)
		for len(line) > 0 && line[0] == ' ' {
			line = line[1:]
		}
		used, blank = 0, -1
		for _, r := range line {
			used += advance(face, r)
		}
	}
	for _, r := range strings.Join(strings.Fields(text), " ") {
		w := advance(face, r)
		if used+w > width && len(line) > 0 {
			n := len(line)
			if blank > 0 && r != ' ' {
				n = blank
			}
			full(n)
			if len(lines) > most {
				break
			}
			if r == ' ' && len(line) == 0 {
				continue
			}
		}
		line, used = append(line, r), used+w
		if r == ' ' || r >= 0x2e80 {
			blank = len(line)
		}
	}
	if len(line) > 0 {
		full(len(line))
	}
	if len(lines) <= most {
		return lines, false
	}
	lines = lines[:most]
	last := []rune(lines[most-1])
	for len(last) > 0 && measure(face, string(last)+"...") > width {
		last = last[:len(last)-1]
	}
	lines[most-1] = string(last) + "..."
	return lines, true
}

// measure is the width of a line in font pixels.
func measure(face font.Face, line string) int {
	width := 0
	for _, r := range line {
		width += advance(face, r)
	}
	return width
}

// letter draws one line with its upper left corner at a point, each pixel of
// the font a square of scale by scale, and returns where the next one begins.
func (c *canvas) letter(face font.Face, line string, left, top, scale int, col rgb) {
	x := left
	for _, r := range line {
		box, mask, at, _, ok := face.Glyph(fixed.P(0, ascent), r)
		if ok {
			c.glyph(mask, at, box, x, top, scale, col)
		}
		x += advance(face, r) * scale
	}
}

// glyph draws the set pixels of a mask, joining neighbors into spans.
func (c *canvas) glyph(mask image.Image, at image.Point, box image.Rectangle, left, top, scale int, col rgb) {
	for gy := range box.Dy() {
		for gx := 0; gx < box.Dx(); gx++ {
			run := 0
			for gx+run < box.Dx() && isSet(mask, at.X+gx+run, at.Y+gy) {
				run++
			}
			if run == 0 {
				continue
			}
			x, y := left+(box.Min.X+gx)*scale, top+(box.Min.Y+gy)*scale
			for row := range scale {
				c.span(x, x+run*scale, y+row, col, 1)
			}
			gx += run
		}
	}
}

func isSet(mask image.Image, x, y int) bool {
	_, _, _, alpha := mask.At(x, y).RGBA()
	return alpha > 0x7fff
}
