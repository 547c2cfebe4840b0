package draw

import (
	"fmt"
	"math"
	"strings"
)

// writePrompt writes the prompt on a dark band near the bottom, as large as it
// fits, and below it the model, the seed and the size of the image.
func (d Drawing) writePrompt(c *canvas) {
	face := typeface()
	if width := measure(face, d.Logo); d.Logo != "" && width+16 <= c.width && c.height >= 2*lineHeight {
		c.text(face, d.Logo, c.width-width-8, 4, 1, hex(0xffffff))
	}
	text := strings.TrimSpace(legible(d.Prompt))
	if text == "" {
		text = "..."
	}
	margin := max(2, c.width/24)
	caption, captionScale := "", 0
	if c.width >= 256 && c.height >= 192 {
		captionScale = max(1, min(c.width/512, c.height/480))
		caption = fmt.Sprintf("simulated - %s - seed %d - %dx%d", d.Model, d.Seed, c.width, c.height)
		if measure(face, caption)*captionScale > c.width-2*margin {
			caption = "simulated"
		}
	}
	captionHeight := 0
	if caption != "" {
		captionHeight = lineHeight*captionScale + margin/3
	}

	// The largest scale at which the text stays in the lower quarter of the image.
	scale := max(1, min(c.width/240, c.height/180))
	room := max(lineHeight, c.height*27/100-captionHeight)
	var lines []string
	for ; ; scale-- {
		width := max(halfCell*2, (c.width-2*margin-margin)/scale)
		most := max(1, room/(lineHeight*scale))
		fit, cut := wrap(face, text, width, most)
		if lines = fit; scale == 1 || !cut {
			break
		}
	}
	height := len(lines)*lineHeight*scale + captionHeight + margin
	top := max(0, c.height-height-margin)
	c.band(margin/2, top, c.width-margin/2, min(c.height, top+height), max(2, margin/3))
	y := top + margin/2
	for _, line := range lines {
		x := (c.width - measure(face, line)*scale) / 2
		c.text(face, line, x+max(1, scale/2), y+max(1, scale/2), scale, hex(0x000000))
		c.text(face, line, x, y, scale, hex(0xffffff))
		y += lineHeight * scale
	}
	if caption != "" {
		c.text(face, caption, (c.width-measure(face, caption)*captionScale)/2, y+margin/3, captionScale, hex(0xb8c4d6))
	}
}

// band darkens a rectangle with rounded corners.
func (c *canvas) band(x0, y0, x1, y1, radius int) {
	for y := y0; y < y1; y++ {
		inset := 0.0
		if depth := float64(radius - min(y-y0, y1-1-y)); depth > 0 {
			r := float64(radius)
			inset = r - math.Sqrt(r*r-depth*depth)
		}
		c.softSpan(float64(x0)+inset, float64(x1)-inset, y, hex(0x0a0f1c), 0.74)
	}
}
