package draw

import (
	"image"
	"strings"
	"unicode"

	"github.com/hajimehoshi/bitmapfont/v3"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

// The cell of the font. Full-width characters are twice as wide as halfCell.
const (
	halfCell   = 6
	lineHeight = 15
	ascent     = 11
)

// typeface returns the bitmap font with simplified Chinese glyphs.
func typeface() font.Face { return bitmapfont.FaceSC }

// legible replaces characters that cannot be drawn: control characters become
// spaces, characters outside the font question marks, and combining marks are
// removed.
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

// advance returns the width of a character in font pixels.
func advance(face font.Face, r rune) int {
	if width, ok := face.GlyphAdvance(r); ok {
		return width.Ceil()
	}
	return halfCell
}

// wrap breaks text into lines of at most width font pixels, at spaces where there
// are any and between any two characters otherwise. Text that needs more than
// most lines is cut and ends in an ellipsis.
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

// measure returns the width of a line in font pixels.
func measure(face font.Face, line string) int {
	width := 0
	for _, r := range line {
		width += advance(face, r)
	}
	return width
}

// text draws one line with its upper left corner at a point. Each pixel of the
// font becomes a square of scale by scale pixels.
func (c *canvas) text(face font.Face, line string, left, top, scale int, col rgb) {
	x := left
	for _, r := range line {
		box, mask, at, _, ok := face.Glyph(fixed.P(0, ascent), r)
		if ok {
			c.glyph(mask, at, box, x, top, scale, col)
		}
		x += advance(face, r) * scale
	}
}

// glyph draws the set pixels of a mask; adjacent pixels are drawn as one span.
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
