package draw

import "math"

// sea paints water with reflections, a distant shore and a boat.
func (s *scene) sea() {
	level := s.h * s.between(0.56, 0.64)
	s.land(s.waves(level-s.h*0.02, s.h*0.018), mix(s.far, s.horizon, 0.3), s.far)
	deep := mix(mix(s.top, s.near, 0.35), hex(0x0b3954), 0.35)
	for y := int(level); y < s.height; y++ {
		s.span(0, s.width, y, mix(mix(s.horizon, deep, 0.45), deep, (float64(y)-level)/(s.h-level)), 1)
	}
	for range 90 {
		depth := s.random.Float64()
		y := level + (s.h-level)*depth*depth
		length := s.w * s.between(0.01, 0.05) * (0.4 + depth)
		x := s.w * s.random.Float64()
		s.ellipse(x, y, length, math.Max(0.6, s.unit*0.0016*(1+2*depth)), s.sun, s.between(0.08, 0.32))
	}
	x, y, size := s.w*s.between(0.25, 0.75), level+(s.h-level)*s.between(0.12, 0.3), s.unit*s.between(0.06, 0.1)
	hull := mix(s.near, hex(0x2b1d14), 0.6)
	s.triangle(x-size*0.05, y-size*1.25, x-size*0.6, x-size*0.05, y-size*0.1, mix(hex(0xffffff), s.horizon, 0.3), 1)
	s.triangle(x+size*0.04, y-size*1.05, x+size*0.04, x+size*0.5, y-size*0.1, s.accent, 1)
	s.ellipse(x, y, size*0.7, size*0.14, hull, 1)
	s.ellipse(x, y+size*0.22, size*0.65, size*0.06, hull, 0.35)
}

// city paints three layers of buildings with lit windows.
func (s *scene) city() {
	for n := range 3 {
		depth := float64(n) / 2
		col := mix(mix(s.far, s.horizon, 0.3), s.near, depth)
		base := s.h * (0.74 + 0.1*float64(n))
		window := mix(s.accent, s.sun, 0.5)
		for x := -s.w * 0.03; x < s.w; {
			width := s.unit * s.between(0.05, 0.12)
			height := s.h * s.between(0.12, 0.36) * (1.1 - 0.25*depth)
			s.rect(x, base-height, width, s.h, col, 1)
			if s.random.IntN(5) == 0 {
				s.triangle(x+width/2, base-height-width*0.9, x+width*0.3, x+width*0.7, base-height, col, 1)
			}
			s.windows(x, base-height, width, height, window, 0.35+0.5*depth)
			x += width * s.between(0.9, 1.15)
		}
	}
	s.land(func(float64) float64 { return s.h * 0.93 }, s.near, mix(s.near, hex(0), 0.5))
}

// windows paints some lit windows of a building.
func (s *scene) windows(x, y, width, height float64, col rgb, coverage float64) {
	size := s.unit * 0.008
	if size < 1.5 {
		return
	}
	for wy := y + size*1.5; wy < y+height-size; wy += size * 2.6 {
		for wx := x + size; wx < x+width-size*1.5; wx += size * 2.2 {
			if s.random.IntN(5) < 2 {
				s.rect(wx, wy, size, size*1.4, col, coverage)
			}
		}
	}
}

// cat paints a sitting cat that faces the viewer.
func (s *scene) cat() {
	size := s.unit * 0.3
	x, foot := s.w*s.between(0.32, 0.68), s.h*0.82
	fur, light := mix(s.near, hex(0x101018), 0.65), mix(s.accent, hex(0xfff3b0), 0.4)
	if s.night {
		fur = mix(hex(0x1a1d33), s.horizon, 0.15)
	}
	s.glow(x, foot-size*0.5, size*1.2, s.sun, 0.22)
	// The tail, a curve to the right.
	for n := range 40 {
		t := float64(n) / 39
		s.disc(x+size*(0.3+0.28*math.Sin(t*2.6)), foot-size*(0.06+0.5*t), size*(0.055-0.015*t), fur, 1)
	}
	s.ellipse(x, foot-size*0.28, size*0.31, size*0.33, fur, 1) // body
	s.ellipse(x, foot-size*0.04, size*0.33, size*0.07, fur, 1) // feet
	s.ellipse(x, foot-size*0.68, size*0.23, size*0.2, fur, 1)  // head
	s.triangle(x-size*0.2, foot-size*1.02, x-size*0.24, x-size*0.04, foot-size*0.72, fur, 1)
	s.triangle(x+size*0.2, foot-size*1.02, x+size*0.04, x+size*0.24, foot-size*0.72, fur, 1)
	for _, side := range []float64{-1, 1} {
		s.ellipse(x+side*size*0.09, foot-size*0.7, size*0.045, size*0.05, light, 1)
		s.ellipse(x+side*size*0.09, foot-size*0.7, size*0.014, size*0.042, hex(0x0a0a0a), 1)
		for n := range 3 {
			y := foot - size*(0.64-0.03*float64(n))
			s.stroke(x+side*size*0.06, foot-size*0.62, x+side*size*0.36, y, math.Max(1, size*0.006), mix(light, hex(0xffffff), 0.6))
		}
	}
	s.triangle(x, foot-size*0.6, x-size*0.025, x+size*0.025, foot-size*0.63, hex(0xe5989b), 1)
}

// birds paints a flock of birds.
func (s *scene) birds() {
	x, y := s.w*s.between(0.15, 0.7), s.h*s.between(0.14, 0.36)
	for range 3 + s.random.IntN(5) {
		bx, by, wing := x+s.w*s.between(-0.12, 0.16), y+s.h*s.between(-0.07, 0.07), s.unit*s.between(0.01, 0.022)
		thickness := math.Max(1, wing*0.16)
		s.stroke(bx-wing, by-wing*0.45, bx, by, thickness, mix(s.near, hex(0x101018), 0.5))
		s.stroke(bx, by, bx+wing, by-wing*0.5, thickness, mix(s.near, hex(0x101018), 0.5))
	}
}

// balloon paints a hot-air balloon.
func (s *scene) balloon() {
	x, y, r := s.w*s.between(0.12, 0.88), s.h*s.between(0.18, 0.42), s.unit*s.between(0.035, 0.065)
	s.triangle(x, y+r*1.75, x-r*0.78, x+r*0.78, y+r*0.6, s.accent, 1)
	s.ellipse(x, y, r, r*1.05, s.accent, 1)
	s.ellipse(x, y, r*0.55, r*1.05, mix(s.accent, hex(0xffffff), 0.45), 1)
	s.ellipse(x, y, r*0.2, r*1.05, s.accent, 1)
	s.rect(x-r*0.18, y+r*1.75, r*0.36, r*0.3, hex(0x6b4226), 1)
}
