package draw

import (
	"math/rand/v2"
	"slices"
)

// palette holds the colors of a scene.
type palette struct {
	night                bool
	top, middle, horizon rgb // the sky
	sun                  rgb // or the moon
	far, near            rgb // the land, at the horizon and in the foreground
	accent               rgb
}

// palettes lists the palettes by the keywords that select them. The last entry
// has none and matches every prompt.
func palettes() []struct {
	keywords string
	choices  []palette
} {
	day := []palette{
		{top: hex(0x3a86c8), middle: hex(0x8ecae6), horizon: hex(0xfdf0d5), sun: hex(0xfff3b0), far: hex(0x8fb8a8), near: hex(0x2d6a4f), accent: hex(0xe63946)},
		{top: hex(0x5aa9e6), middle: hex(0xbfe3f7), horizon: hex(0xfff8e7), sun: hex(0xffe66d), far: hex(0xa3c4bc), near: hex(0x4f7c4a), accent: hex(0xff6b6b)},
		{top: hex(0x2a9d8f), middle: hex(0x9ad9c7), horizon: hex(0xf7f3d6), sun: hex(0xfffbe0), far: hex(0x7fb7a5), near: hex(0x1f5f53), accent: hex(0xe76f51)},
	}
	dusk := []palette{
		{top: hex(0x2b2d63), middle: hex(0xb5546f), horizon: hex(0xffb36b), sun: hex(0xffe0a3), far: hex(0x9c4f6b), near: hex(0x2a1b3d), accent: hex(0xffd166)},
		{top: hex(0x45256b), middle: hex(0xe0637a), horizon: hex(0xffd29d), sun: hex(0xfff0c9), far: hex(0xb0566f), near: hex(0x33203f), accent: hex(0xf9c74f)},
		{top: hex(0x14445c), middle: hex(0xd98a5f), horizon: hex(0xffcf81), sun: hex(0xfff1c1), far: hex(0x8b5a52), near: hex(0x20262f), accent: hex(0xef476f)},
	}
	night := []palette{
		{night: true, top: hex(0x070b24), middle: hex(0x17265c), horizon: hex(0x4a5f99), sun: hex(0xf4f1de), far: hex(0x2d3f73), near: hex(0x0a1128), accent: hex(0xffd166)},
		{night: true, top: hex(0x0b0620), middle: hex(0x33215e), horizon: hex(0x8a5a9e), sun: hex(0xfdf6e3), far: hex(0x4b3570), near: hex(0x120a22), accent: hex(0x9bf6ff)},
		{night: true, top: hex(0x021019), middle: hex(0x0b3948), horizon: hex(0x2a7f7f), sun: hex(0xe8fff5), far: hex(0x185a5f), near: hex(0x04171c), accent: hex(0xf9f871)},
	}
	snow := []palette{
		{top: hex(0x7296bd), middle: hex(0xc3d5e8), horizon: hex(0xfbeff0), sun: hex(0xffffff), far: hex(0xb3c6da), near: hex(0xeef4fa), accent: hex(0x355070)},
	}
	autumn := []palette{
		{top: hex(0x6d97b8), middle: hex(0xd9d3b8), horizon: hex(0xffe3b3), sun: hex(0xfff4d6), far: hex(0xc98b4e), near: hex(0x7a3e1d), accent: hex(0xd1495b)},
	}
	return []struct {
		keywords string
		choices  []palette
	}{
		{"night moon star midnight dark space galaxy cosmos 夜 月 星 银河 宇宙", night},
		{"sunset dusk sunrise dawn evening golden 日落 日出 夕阳 黄昏 晚霞 黎明", dusk},
		{"snow winter ice frozen christmas 雪 冬 冰", snow},
		{"autumn fall maple desert canyon 秋 枫 沙漠", autumn},
		{"", slices.Concat(day, dusk, night, autumn)},
	}
}

// palette returns the palette that the keywords of the prompt select.
func (d Drawing) palette(random *rand.Rand) palette {
	for _, p := range palettes() {
		if p.keywords == "" || d.mentions(p.keywords) {
			return p.choices[random.IntN(len(p.choices))]
		}
	}
	panic("no palette matches") // Unreachable: the last entry matches.
}
