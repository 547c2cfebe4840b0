package draw

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// mentions reports whether the prompt contains one of the keywords, which are
// separated by spaces.
func (d Drawing) mentions(keywords string) bool {
	prompt := strings.ToLower(d.Prompt)
	return slices.ContainsFunc(strings.Fields(keywords), func(word string) bool { return strings.Contains(prompt, word) })
}

// scene is a landscape being painted.
type scene struct {
	*canvas
	palette
	random *rand.Rand
	w, h   float64
	unit   float64 // the shorter side, on which sizes are based
}

// compose paints a landscape that follows the keywords of the prompt and is
// random where it has none.
func (d Drawing) compose(c *canvas) {
	random := d.random()
	s := &scene{canvas: c, palette: d.palette(random), random: random, w: float64(c.width), h: float64(c.height)}
	s.unit = math.Min(s.w, s.h)
	if !d.Transparent {
		s.sky(s.top, s.middle, s.horizon)
		s.sunAndClouds()
	}
	grounds := []struct {
		keywords string
		paint    func()
	}{
		{"sea ocean beach lake river water boat ship island wave 海 湖 河 水 船 岛 浪", s.sea},
		{"city town street building skyline tower cyberpunk 城 街 楼 塔 都市", s.city},
		{"forest tree wood jungle pine garden bamboo 森林 树 林 花园 竹", s.forest},
		{"hill meadow field valley grass desert 丘 草 田 谷 沙漠", s.hills},
		{"mountain peak alps cliff snow volcano 山 峰 雪", s.mountains},
	}
	ground := grounds[random.IntN(len(grounds))].paint
	for _, g := range grounds {
		if d.mentions(g.keywords) {
			ground = g.paint
			break
		}
	}
	ground()
	if d.mentions("cat kitten 猫") {
		ledge := s.waves(s.h*0.78, s.h*0.008)
		s.land(ledge, mix(s.near, hex(0), 0.15), mix(s.near, hex(0), 0.5))
		s.cat()
	}
	if d.mentions("bird dove swallow 鸟 燕 鹤") || (!s.night && random.IntN(2) == 0) {
		s.birds()
	}
	if d.mentions("balloon 气球") || random.IntN(4) == 0 {
		s.balloon()
	}
}

// between returns a random number from a range.
func (s *scene) between(low, high float64) float64 { return low + (high-low)*s.random.Float64() }

// sunAndClouds paints the sun and clouds, or by night the moon and stars.
func (s *scene) sunAndClouds() {
	x, y, radius := s.w*s.between(0.2, 0.8), s.h*s.between(0.16, 0.38), s.unit*s.between(0.06, 0.11)
	if s.night {
		for range 60 + s.random.IntN(80) {
			sx, sy := s.w*s.random.Float64(), s.h*0.6*s.random.Float64()
			s.disc(sx, sy, math.Max(0.6, s.unit*s.between(0.0008, 0.0026)), hex(0xffffff), s.between(0.35, 1))
		}
	}
	s.glow(x, y, radius*3.2, s.sun, 0.55)
	if s.night && s.random.IntN(2) == 0 {
		s.crescent(x, y, radius, s.sun)
		return
	}
	s.disc(x, y, radius, s.sun, 1)
	if s.night {
		return
	}
	for range 2 + s.random.IntN(4) {
		cx, cy, size := s.w*s.random.Float64(), s.h*s.between(0.08, 0.4), s.unit*s.between(0.025, 0.05)
		col := mix(s.middle, hex(0xffffff), s.between(0.35, 0.75))
		for puff := range 5 {
			offset := float64(puff) - 2
			s.ellipse(cx+offset*size, cy-size*0.35*(2-math.Abs(offset)), size*1.1, size*0.75, col, 1)
		}
		s.ellipse(cx, cy+size*0.35, size*3.2, size*0.42, col, 1)
	}
}

// waves returns a smooth random curve around a height.
func (s *scene) waves(level, swing float64) func(float64) float64 {
	p1, p2, p3 := s.between(0, 7), s.between(0, 7), s.between(0, 7)
	f1, f2, f3 := s.between(2, 5)/s.w, s.between(6, 11)/s.w, s.between(14, 24)/s.w
	return func(x float64) float64 {
		return level + swing*(math.Sin(x*f1+p1)+0.45*math.Sin(x*f2+p2)+0.15*math.Sin(x*f3+p3))
	}
}

// hills paints hills, paler in the distance.
func (s *scene) hills() {
	const layers = 4
	for n := range layers {
		depth := float64(n) / (layers - 1)
		crest := mix(s.far, s.near, depth)
		s.land(s.waves(s.h*(0.55+0.13*float64(n)), s.h*0.035*(1+depth)), mix(crest, s.horizon, 0.18*(1-depth)), mix(crest, hex(0), 0.25*depth))
	}
}

// mountains paints snowy ridges with hills in front.
func (s *scene) mountains() {
	snow := mix(hex(0xffffff), s.horizon, 0.25)
	for n := range 2 {
		col := mix(mix(s.far, s.horizon, 0.35), s.far, float64(n))
		for peak := range 4 {
			x := s.w * (float64(peak) + s.between(-0.1, 0.9)) / 3.6
			height := s.h * s.between(0.22, 0.42) * (1 - 0.25*float64(n))
			base, half := s.h*0.72, height*s.between(0.8, 1.2)
			s.triangle(x, base-height, x-half, x+half, base+s.h*0.02, col, 1)
			tip := s.between(0.22, 0.32)
			s.triangle(x, base-height, x-half*tip, x+half*tip*0.4, base-height*(1-tip), snow, 0.9)
		}
	}
	s.land(s.waves(s.h*0.72, s.h*0.03), mix(s.far, s.near, 0.6), s.near)
	s.land(s.waves(s.h*0.84, s.h*0.03), s.near, mix(s.near, hex(0), 0.3))
}

// forest paints hills with firs, taller in the foreground.
func (s *scene) forest() {
	for n := range 3 {
		depth := float64(n) / 2
		col := mix(s.far, s.near, 0.35+0.65*depth)
		line := s.waves(s.h*(0.6+0.13*float64(n)), s.h*0.03)
		for range 16 - 3*n {
			x := s.w * s.between(-0.02, 1.02)
			size := s.h * s.between(0.09, 0.17) * (0.7 + depth)
			foot := line(x) + size*0.12
			for tier := range 3 {
				t := float64(tier)
				s.triangle(x, foot-size*(1-0.22*t), x-size*(0.13+0.07*t), x+size*(0.13+0.07*t), foot-size*(0.5-0.24*t), mix(col, hex(0), 0.12*t), 1)
			}
		}
		s.land(line, col, mix(col, hex(0), 0.35*depth))
	}
}
