package draw

import (
	"image"
	"math"
)

// rgb is an opaque color.
type rgb struct{ r, g, b float64 }

// hex returns the color 0xRRGGBB.
func hex(v uint32) rgb {
	return rgb{float64(v >> 16 & 255), float64(v >> 8 & 255), float64(v & 255)}
}

// mix interpolates from a to b while t goes from 0 to 1.
func mix(a, b rgb, t float64) rgb {
	t = math.Max(0, math.Min(1, t))
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}

// canvas is an image being painted, with a few shapes that are cheap to draw.
type canvas struct {
	pixels        *image.RGBA
	width, height int
}

// blend paints one pixel with a coverage from 0 to 1. Transparent pixels stay
// premultiplied, as image.RGBA requires.
func (c *canvas) blend(x, y int, col rgb, coverage float64) {
	if coverage <= 0 || x < 0 || y < 0 || x >= c.width || y >= c.height {
		return
	}
	p := c.pixels.Pix[y*c.pixels.Stride+4*x:][:4:4]
	if coverage >= 1 {
		p[0], p[1], p[2], p[3] = uint8(col.r), uint8(col.g), uint8(col.b), 255
		return
	}
	keep := 1 - coverage
	p[0] = uint8(col.r*coverage + float64(p[0])*keep)
	p[1] = uint8(col.g*coverage + float64(p[1])*keep)
	p[2] = uint8(col.b*coverage + float64(p[2])*keep)
	p[3] = uint8(255*coverage + float64(p[3])*keep)
}

// span paints part of a row.
func (c *canvas) span(x0, x1, y int, col rgb, coverage float64) {
	if y < 0 || y >= c.height {
		return
	}
	x0, x1 = max(x0, 0), min(x1, c.width)
	if coverage < 1 {
		for x := x0; x < x1; x++ {
			c.blend(x, y, col, coverage)
		}
		return
	}
	if x0 >= x1 {
		return
	}
	row := c.pixels.Pix[y*c.pixels.Stride+4*x0 : y*c.pixels.Stride+4*x1]
	row[0], row[1], row[2], row[3] = uint8(col.r), uint8(col.g), uint8(col.b), 255
	for filled := 4; filled < len(row); filled *= 2 {
		copy(row[filled:], row[:filled])
	}
}

// sky fills the canvas with a gradient of three colors.
func (c *canvas) sky(top, middle, bottom rgb) {
	for y := range c.height {
		t := float64(y) / float64(max(c.height-1, 1))
		col := mix(top, middle, t*1.8)
		if t > 0.55 {
			col = mix(middle, bottom, (t-0.55)/0.45)
		}
		c.span(0, c.width, y, col, 1)
	}
}

// disc draws a filled circle with a soft edge.
func (c *canvas) disc(cx, cy, radius float64, col rgb, coverage float64) {
	c.ellipse(cx, cy, radius, radius, col, coverage)
}

// ellipse draws a filled ellipse with a soft edge.
func (c *canvas) ellipse(cx, cy, rx, ry float64, col rgb, coverage float64) {
	if rx <= 0 || ry <= 0 {
		return
	}
	for y := max(0, int(cy-ry)-1); y <= min(c.height-1, int(cy+ry)+1); y++ {
		dy := (float64(y) + 0.5 - cy) / ry
		if dy*dy >= 1 {
			continue
		}
		half := rx * math.Sqrt(1-dy*dy)
		c.softSpan(cx-half, cx+half, y, col, coverage)
	}
}

// crescent draws a disc of which another one hides the right part.
func (c *canvas) crescent(cx, cy, radius float64, col rgb) {
	hidden, x0, y0 := radius*0.92, cx+radius*0.42, cy-radius*0.18
	for y := max(0, int(cy-radius)-1); y <= min(c.height-1, int(cy+radius)+1); y++ {
		dy := float64(y) + 0.5 - cy
		if dy*dy >= radius*radius {
			continue
		}
		half := math.Sqrt(radius*radius - dy*dy)
		right := cx + half
		if d := float64(y) + 0.5 - y0; d*d < hidden*hidden {
			right = math.Min(right, x0-math.Sqrt(hidden*hidden-d*d))
		}
		if right > cx-half {
			c.softSpan(cx-half, right, y, col, 1)
		}
	}
}

// softSpan is a span whose end pixels are partly covered.
func (c *canvas) softSpan(left, right float64, y int, col rgb, coverage float64) {
	first, last := math.Ceil(left), math.Floor(right)
	if first > last {
		c.blend(int(last), y, col, coverage*(right-left))
		return
	}
	c.blend(int(first)-1, y, col, coverage*(first-left))
	c.span(int(first), int(last), y, col, coverage)
	c.blend(int(last), y, col, coverage*(right-last))
}

// glow brightens the area around a point, less and less up to the radius.
func (c *canvas) glow(cx, cy, radius float64, col rgb, strength float64) {
	inverse := 1 / (radius * radius)
	for y := max(0, int(cy-radius)); y < min(c.height, int(cy+radius)+1); y++ {
		dy := float64(y) - cy
		for x := max(0, int(cx-radius)); x < min(c.width, int(cx+radius)+1); x++ {
			dx := float64(x) - cx
			if fade := 1 - (dx*dx+dy*dy)*inverse; fade > 0 {
				c.blend(x, y, col, strength*fade*fade)
			}
		}
	}
}

// land fills the area below a line, which maps each column to the height of the
// ground, with a gradient from the crest to the bottom.
func (c *canvas) land(line func(x float64) float64, crest, bottom rgb) {
	edge := make([]float64, c.width)
	highest := float64(c.height)
	for x := range edge {
		edge[x] = line(float64(x))
		highest = math.Min(highest, edge[x])
	}
	from := max(0, int(highest)-1)
	for y := from; y < c.height; y++ {
		col := mix(crest, bottom, float64(y-from)/float64(max(c.height-from, 1)))
		run := -1 // where a run of full coverage began
		for x := range edge {
			coverage := float64(y) + 1 - edge[x]
			if coverage >= 1 {
				if run < 0 {
					run = x
				}
				continue
			}
			if run >= 0 {
				c.span(run, x, y, col, 1)
				run = -1
			}
			c.blend(x, y, col, coverage)
		}
		if run >= 0 {
			c.span(run, c.width, y, col, 1)
		}
	}
}

// triangle draws a filled triangle with a horizontal base.
func (c *canvas) triangle(apexX, apexY, baseLeft, baseRight, baseY float64, col rgb, coverage float64) {
	step := 1.0
	if baseY < apexY {
		step = -1
	}
	rows := int(math.Abs(baseY - apexY))
	for n := range rows {
		t := (float64(n) + 0.5) / float64(rows)
		y := int(apexY + step*float64(n))
		c.softSpan(apexX+(baseLeft-apexX)*t, apexX+(baseRight-apexX)*t, y, col, coverage)
	}
}

// rect draws a filled rectangle.
func (c *canvas) rect(x, y, width, height float64, col rgb, coverage float64) {
	for row := max(0, int(y)); row < min(c.height, int(y+height)); row++ {
		c.span(int(x), int(x+width), row, col, coverage)
	}
}

// stroke draws a thick line as a series of discs.
func (c *canvas) stroke(x0, y0, x1, y1, thickness float64, col rgb) {
	steps := max(1, int(math.Hypot(x1-x0, y1-y0)/math.Max(thickness*0.4, 0.5)))
	for n := range steps + 1 {
		t := float64(n) / float64(steps)
		c.disc(x0+(x1-x0)*t, y0+(y1-y0)*t, thickness/2, col, 1)
	}
}
