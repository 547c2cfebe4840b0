package draw

import (
	"fmt"
	"html"
	"strings"
)

// svg returns an SVG with the palette and the prompt.
func (d Drawing) svg() []byte {
	random := d.random()
	p := d.palette(random)
	w, h := float64(d.Width), float64(d.Height)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d">`+
		`<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="#%06[3]x"/><stop offset="1" stop-color="#%06[4]x"/></linearGradient></defs>`+
		`<rect width="100%%" height="100%%" fill="url(#sky)"/><circle cx="%.1[5]f" cy="%.1[6]f" r="%.1[7]f" fill="#%06[8]x"/>`,
		d.Width, d.Height, p.sky, p.horizon, w*(0.2+0.6*random.Float64()), h*0.25, min(w, h)*0.08, p.sun)
	for n, fill := range []uint32{p.far, p.near} {
		level, swing := h*(0.6+0.2*float64(n)), h*(0.05+0.08*random.Float64())
		fmt.Fprintf(&out, `<path d="M0 %.1f Q%.1f %.1f %.1f %.1f T%.1f %.1f V%d H0 Z" fill="#%06x"/>`,
			level, w*0.25, level-swing, w*0.5, level, w, level, d.Height, fill)
	}
	title := strings.TrimSpace(legible(d.Prompt))
	if runes := []rune(title); len(runes) > 60 {
		title = string(runes[:57]) + "..."
	}
	fmt.Fprintf(&out, `<text x="50%%" y="92%%" text-anchor="middle" font-family="sans-serif" font-size="%d" fill="#fff" stroke="#0a0f1c" stroke-width="3" paint-order="stroke">%s</text></svg>`,
		max(8, d.Width/28), html.EscapeString(title))
	return []byte(out.String())
}
