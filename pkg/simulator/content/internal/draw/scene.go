package draw

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"golang.org/x/image/draw"
)

// palette holds the colors of a scene as 0xRRGGBB.
type palette struct{ sky, horizon, sun, far, near uint32 }

// palettes lists the palettes by the keywords that select them.
func palettes() []struct {
	keywords string
	palette  palette
} {
	return []struct {
		keywords string
		palette  palette
	}{
		{"night moon star midnight dark space galaxy cosmos 夜 月 星 银河 宇宙", palette{0x070b24, 0x4a5f99, 0xf4f1de, 0x2d3f73, 0x0a1128}},
		{"sunset dusk sunrise dawn evening golden 日落 日出 夕阳 黄昏 晚霞 黎明", palette{0x45256b, 0xffd29d, 0xfff0c9, 0xb0566f, 0x33203f}},
		{"snow winter ice frozen christmas 雪 冬 冰", palette{0x7296bd, 0xfbeff0, 0xffffff, 0xb3c6da, 0xdde6f0}},
		{"autumn fall maple desert canyon 秋 枫 沙漠", palette{0x6d97b8, 0xffe3b3, 0xfff4d6, 0xc98b4e, 0x7a3e1d}},
		{"sea ocean beach lake river water boat ship island wave 海 湖 河 水 船 岛 浪", palette{0x3a86c8, 0xfdf0d5, 0xfff3b0, 0x4f9ac0, 0x0b3954}},
		{"forest tree meadow hill field grass mountain 森林 树 草 丘 田 山", palette{0x5aa9e6, 0xfff8e7, 0xffe66d, 0xa3c4bc, 0x2d6a4f}},
		{"city town street building skyline cyberpunk 城 街 楼 都市", palette{0x0b0620, 0x8a5a9e, 0x9bf6ff, 0x4b3570, 0x120a22}},
	}
}

// palette returns the first palette of which the prompt contains a keyword, or a
// random one.
func (d Drawing) palette(random *rand.Rand) palette {
	prompt, all := strings.ToLower(d.Prompt), palettes()
	chosen := all[random.IntN(len(all))].palette
	for _, p := range all {
		if slices.ContainsFunc(strings.Fields(p.keywords), func(word string) bool { return strings.Contains(prompt, word) }) {
			return p.palette
		}
	}
	return chosen
}

// mix interpolates from one color to another while t goes from 0 to 1.
func mix(from, to uint32, t float64) color.RGBA {
	part := func(shift uint) uint8 {
		a, b := float64(from>>shift&255), float64(to>>shift&255)
		return uint8(a + (b-a)*t)
	}
	return color.RGBA{part(16), part(8), part(0), 255}
}

// paint paints the sky, the sun and four rows of hills, paler in the distance. A
// transparent drawing has only the hills.
func (d Drawing) paint(canvas *image.RGBA) {
	random := d.random()
	p := d.palette(random)
	w, h := float64(d.Width), float64(d.Height)
	between := func(low, high float64) float64 { return low + (high-low)*random.Float64() }
	x, y, radius := w*between(0.2, 0.8), h*between(0.16, 0.38), min(w, h)*between(0.06, 0.11)
	if !d.Transparent {
		for row := range d.Height {
			draw.Draw(canvas, image.Rect(0, row, d.Width, row+1), image.NewUniform(mix(p.sky, p.horizon, float64(row)/h)), image.Point{}, draw.Src)
		}
		glow := color.NRGBAModel.Convert(mix(p.sun, 0, 0)).(color.NRGBA)
		glow.A = 40
		disc(canvas, x, y, radius*2, glow)
		disc(canvas, x, y, radius*1.4, glow)
		disc(canvas, x, y, radius, mix(p.sun, 0, 0))
	}
	const rows = 4
	crest := make([]int, d.Width)
	for n := range rows {
		level, swing := h*(0.55+0.12*float64(n)), h*between(0.02, 0.06)
		p1, p2, f1, f2 := between(0, 7), between(0, 7), between(2, 5)/w, between(6, 11)/w
		for i := range crest {
			at := float64(i)
			crest[i] = int(level + swing*(math.Sin(at*f1+p1)+0.5*math.Sin(at*f2+p2)))
		}
		col := mix(p.far, p.near, float64(n)/(rows-1))
		for row := max(0, slices.Min(crest)); row < d.Height; row++ {
			line := canvas.Pix[row*canvas.Stride:]
			for i, top := range crest {
				if row >= top {
					line[4*i], line[4*i+1], line[4*i+2], line[4*i+3] = col.R, col.G, col.B, col.A
				}
			}
		}
	}
}

// disc paints a filled circle.
func disc(canvas *image.RGBA, x, y, radius float64, col color.Color) {
	for row := int(y - radius); row <= int(y+radius); row++ {
		if dy := float64(row) + 0.5 - y; dy*dy < radius*radius {
			half := math.Sqrt(radius*radius - dy*dy)
			draw.Draw(canvas, image.Rect(int(x-half+0.5), row, int(x+half+0.5), row+1), image.NewUniform(col), image.Point{}, draw.Over)
		}
	}
}
