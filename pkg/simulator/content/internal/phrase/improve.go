package phrase

import "strings"

// trait is one quality of an image that a prompt can describe: the keywords,
// separated by spaces, which show that it does, and the phrases of which one is
// added when it does not.
type trait struct {
	keywords string
	phrases  []string
}

// englishTraits lists the additions in English.
func englishTraits() []trait {
	return []trait{
		{"light lit lighting glow shadow sunset sunrise dawn dusk backlit neon", []string{
			"soft golden-hour light with long shadows", "gentle rim light and a warm glow", "diffused morning light through thin mist",
			"dramatic side light with deep, clean shadows", "cool moonlight with silver highlights",
		}},
		{"composition close-up closeup wide foreground background centered symmetr", []string{
			"rule-of-thirds composition with a clear foreground", "wide composition with layered depth",
			"low angle, the subject set against an open sky", "balanced composition with generous negative space",
		}},
		{"mm lens camera photo shot f/1 bokeh dslr", []string{
			"85mm lens, shallow depth of field, creamy bokeh", "35mm lens, crisp focus from front to back",
			"50mm lens at f/2, delicate background blur", "24mm wide-angle lens, subtle perspective",
		}},
		{"color palette monochrome pastel vivid", []string{
			"a harmonious palette of teal and amber", "muted earth tones with one vivid accent", "rich, natural colors",
			"pastel colors with gentle gradients",
		}},
		{"detail texture intricate 4k 8k quality realistic", []string{
			"fine, tactile textures, highly detailed", "intricate details and lifelike materials", "sharp detail, 8k quality",
		}},
		{"mood atmosphere atmospheric dreamy serene calm moody peaceful", []string{
			"serene, dreamy atmosphere", "quiet, cinematic mood", "a sense of wonder and calm", "lively, joyful atmosphere",
		}},
	}
}

// englishStyles is added when the prompt names no style.
func englishStyles() trait {
	return trait{"style painting watercolo oil anime sketch render photo illustration pixel drawing cartoon realistic 3d", []string{
		"cinematic photography", "detailed digital painting", "refined watercolor illustration", "photorealistic style",
		"concept art with painterly brushwork",
	}}
}

// chineseTraits lists the additions in Chinese.
func chineseTraits() []trait {
	return []trait{
		{"光 影 日落 日出 黄昏 霓虹", []string{"柔和的金色光线，长长的影子", "轮廓光与温暖的光晕", "清晨薄雾中的漫射光", "戏剧性的侧光，层次分明", "清冷的月光，银色高光"}},
		{"构图 特写 远景 近景 前景 背景", []string{"三分法构图，前景清晰", "广角构图，层次丰富", "低角度仰拍，背景开阔", "留白充足的均衡构图"}},
		{"镜头 相机 摄影 焦 毫米", []string{"85毫米镜头，浅景深，柔美虚化", "35毫米镜头，前后清晰", "50毫米定焦，背景轻微虚化", "24毫米广角，透视自然"}},
		{"色彩 颜色 色调 配色", []string{"青橙色调，和谐统一", "低饱和大地色，点缀一抹亮色", "自然而饱满的色彩", "柔和的粉彩渐变"}},
		{"细节 纹理 质感 高清", []string{"纹理细腻，细节丰富", "材质逼真，刻画入微", "高清画质，8K细节"}},
		{"氛围 意境 情绪", []string{"宁静梦幻的氛围", "安静的电影感", "令人惊叹又平和的意境", "生动欢快的气氛"}},
	}
}

// chineseStyles is added when the prompt names no style.
func chineseStyles() trait {
	return trait{"风格 画 摄影 插画 渲染 像素 素描 卡通 写实", []string{"电影感摄影", "精致的数字绘画", "清雅的水彩插画", "写实风格", "富有笔触的概念艺术"}}
}

// Improve makes an image prompt richer. It keeps the user's words in front and
// adds the qualities that they do not describe.
func Improve(text string) string {
	random := Random(text)
	text = strings.TrimRight(strings.TrimSpace(text), ".,;。，； ")
	traits, style, comma := englishTraits(), englishStyles(), ", "
	if hasHan(text) {
		traits, style, comma = chineseTraits(), chineseStyles(), "，"
	}
	lower, parts := strings.ToLower(text), []string{text}
	for _, t := range append([]trait{style}, traits...) {
		// A phrase is drawn in any case, so that the others stay the same.
		phrase := t.phrases[random.IntN(len(t.phrases))]
		if !containsAny(lower, strings.Fields(t.keywords)...) {
			parts = append(parts, phrase)
		}
	}
	return strings.Join(parts, comma)
}
