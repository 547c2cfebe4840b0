package draw

import (
	"cmp"
	"fmt"
	"image"
	"image/color"
	"strings"
	"unicode"

	"github.com/hajimehoshi/bitmapfont/v3"
	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

const (
	lineHeight = 15 // of the font
	ascent     = 11
)

// writePrompt writes the prompt on a dark band near the bottom, as large as it
// fits, and below it the model, the seed and the size of the image.
func (d Drawing) writePrompt(canvas *image.RGBA) {
	if width := measure(d.Logo); d.Logo != "" && width+16 <= d.Width && d.Height >= 2*lineHeight {
		writeLine(canvas, d.Logo, d.Width-width-8, 4, 1, color.White)
	}
	text := strings.TrimSpace(legible(d.Prompt))
	text = cmp.Or(text, "...")
	margin := max(2, d.Width/24)
	caption, captionHeight := "", 0
	if d.Width >= 256 && d.Height >= 192 {
		caption, captionHeight = fmt.Sprintf("simulated - %s - seed %d - %dx%d", d.Model, d.Seed, d.Width, d.Height), lineHeight
	}
	// The largest scale at which the text stays in the lower quarter of the image.
	scale := max(1, min(d.Width/240, d.Height/180))
	room := max(lineHeight, d.Height*27/100-captionHeight)
	lines, cut := wrap(text, (d.Width-3*margin)/scale, room/(lineHeight*scale))
	for cut && scale > 1 {
		scale--
		lines, cut = wrap(text, (d.Width-3*margin)/scale, room/(lineHeight*scale))
	}
	height := len(lines)*lineHeight*scale + captionHeight + margin
	top := max(0, d.Height-height-margin)
	band := image.Rect(margin/2, top, d.Width-margin/2, top+height)
	draw.Draw(canvas, band, image.NewUniform(color.NRGBA{10, 15, 28, 190}), image.Point{}, draw.Over)
	y := top + margin/2
	for _, line := range lines {
		writeLine(canvas, line, (d.Width-measure(line)*scale)/2, y, scale, color.White)
		y += lineHeight * scale
	}
	writeLine(canvas, caption, (d.Width-measure(caption))/2, y, 1, color.Gray{190})
}

// writeLine writes one line with its upper left corner at a point. Each pixel of
// the font becomes a square of scale by scale pixels.
func writeLine(canvas *image.RGBA, line string, x, y, scale int, col color.Color) {
	width := measure(line)
	glyphs := image.NewRGBA(image.Rect(0, 0, width, lineHeight))
	(&font.Drawer{Dst: glyphs, Src: image.NewUniform(col), Face: bitmapfont.FaceSC, Dot: fixed.P(0, ascent)}).DrawString(line)
	draw.NearestNeighbor.Scale(canvas, image.Rect(x, y, x+width*scale, y+lineHeight*scale), glyphs, glyphs.Bounds(), draw.Over, nil)
}

// measure returns the width of a line in pixels of the font.
func measure(line string) int { return font.MeasureString(bitmapfont.FaceSC, line).Ceil() }

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

// wrap breaks text into at most most lines, or one, of at most width font pixels:
// at spaces where there are any and between any two characters otherwise. It
// reports whether text was cut, which then ends in an ellipsis.
func wrap(text string, width, most int) (lines []string, cut bool) {
	rest := []rune(strings.Join(strings.Fields(text), " "))
	for len(rest) > 0 {
		if len(lines) >= max(1, most) {
			last := []rune(lines[len(lines)-1])
			lines[len(lines)-1] = string(last[:max(0, len(last)-3)]) + "..."
			return lines, true
		}
		n, used, blank := 0, 0, 0 // blank is where the line can be broken
		for ; n < len(rest); n++ {
			if used += measure(string(rest[n])); used > width && n > 0 {
				break
			}
			if rest[n] == ' ' || rest[n] >= 0x2e80 {
				blank = n + 1
			}
		}
		if n < len(rest) && blank > 0 && rest[n] != ' ' {
			n = blank
		}
		lines = append(lines, strings.TrimSpace(string(rest[:n])))
		rest = []rune(strings.TrimLeft(string(rest[n:]), " "))
	}
	return lines, false
}
