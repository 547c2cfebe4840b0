package draw

import (
	"fmt"
	"html"
	"strings"
)

// svg paints the image as a vector model does: the same palette and the same
// prompt, as shapes.
func (d Drawing) svg() []byte {
	random := d.random()
	p := d.palette(random)
	paint := func(c rgb) string { return fmt.Sprintf("#%02x%02x%02x", uint8(c.r), uint8(c.g), uint8(c.b)) }
	w, h := float64(d.Width), float64(d.Height)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">`, d.Width, d.Height, d.Width, d.Height)
	fmt.Fprintf(&out, `<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="%s"/><stop offset=".6" stop-color="%s"/><stop offset="1" stop-color="%s"/></linearGradient></defs>`,
		paint(p.top), paint(p.middle), paint(p.horizon))
	out.WriteString(`<rect width="100%" height="100%" fill="url(#sky)"/>`)
	fmt.Fprintf(&out, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="%s"/>`, w*(0.2+0.6*random.Float64()), h*(0.16+0.2*random.Float64()), min(w, h)*0.08, paint(p.sun))
	for n := range 3 {
		level, swing := h*(0.58+0.13*float64(n)), h*(0.05+0.08*random.Float64())
		fmt.Fprintf(&out, `<path d="M0 %.1f Q%.1f %.1f %.1f %.1f T%.1f %.1f V%d H0 Z" fill="%s"/>`,
			level, w*0.25, level-swing, w*0.5, level, w, level, d.Height, paint(mix(p.far, p.near, float64(n)/2)))
	}
	title := strings.TrimSpace(legible(d.Prompt))
	if runes := []rune(title); len(runes) > 60 {
		title = string(runes[:57]) + "..."
	}
	fmt.Fprintf(&out, `<text x="50%%" y="92%%" text-anchor="middle" font-family="sans-serif" font-size="%d" fill="#fff" stroke="#0a0f1c" stroke-width="3" paint-order="stroke">%s</text></svg>`,
		max(8, d.Width/28), html.EscapeString(title))
	return []byte(out.String())
}
