package simulator

import (
	"fmt"
	"html"
	"strings"
)

// svg composes the answer of a vector model: the same light and the same
// words, as shapes.
func (d drawing) svg() []byte {
	chance := d.random()
	p := d.light(chance)
	paint := func(c rgb) string { return fmt.Sprintf("#%02x%02x%02x", uint8(c.r), uint8(c.g), uint8(c.b)) }
	w, h := float64(d.width), float64(d.height)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">`, d.width, d.height, d.width, d.height)
	fmt.Fprintf(&out, `<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="%s"/><stop offset=".6" stop-color="%s"/><stop offset="1" stop-color="%s"/></linearGradient></defs>`,
		paint(p.top), paint(p.middle), paint(p.horizon))
	out.WriteString(`<rect width="100%" height="100%" fill="url(#sky)"/>`)
	fmt.Fprintf(&out, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, w*(0.2+0.6*chance.Float64()), h*(0.16+0.2*chance.Float64()), min(w, h)*0.08, paint(p.sun))
	for n := range 3 {
		level, swing := h*(0.58+0.13*float64(n)), h*(0.05+0.08*chance.Float64())
		fmt.Fprintf(&out, `<path d="M0 %.1f Q%.1f %.1f %.1f %.1f T%.1f %.1f V%d H0 Z" fill="%s"/>`,
			level, w*0.25, level-swing, w*0.5, level, w, level, d.height, paint(mix(p.far, p.near, float64(n)/2)))
	}
	title := strings.TrimSpace(legible(d.prompt))
	if runes := []rune(title); len(runes) > 60 {
		title = string(runes[:57]) + "..."
	}
	fmt.Fprintf(&out, `<text x="50%%" y="92%%" text-anchor="middle" font-family="sans-serif" font-size="%d" fill="#fff" stroke="#0a0f1c" stroke-width="3" paint-order="stroke">%s</text></svg>`,
		max(8, d.width/28), html.EscapeString(title))
	return []byte(out.String())
}
