package phrase

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// trait is a quality of an image: the keywords that show that a prompt describes
// it, separated by spaces, and the phrases of which one is added if it does not.
type trait struct {
	keywords string
	phrases  []string
}

func englishTraits() []trait {
	return []trait{
		{"style painting watercolo oil anime sketch render photo illustration pixel drawing cartoon realistic 3d", []string{
			"cinematic photography", "detailed digital painting", "refined watercolor illustration",
		}},
		{"light lit glow shadow sunset sunrise dawn dusk backlit neon", []string{
			"soft golden-hour light with long shadows", "diffused morning light through thin mist", "cool moonlight with silver highlights",
		}},
		{"composition close-up closeup wide foreground background symmetr", []string{
			"wide composition with layered depth", "low angle against an open sky", "balanced composition with generous negative space",
		}},
		{"detail texture intricate 4k 8k quality realistic", []string{"fine textures, highly detailed", "intricate details and lifelike materials"}},
	}
}

func chineseTraits() []trait {
	return []trait{
		{"风格 画 摄影 插画 渲染 像素 素描 卡通 写实", []string{"电影感摄影", "精致的数字绘画", "清雅的水彩插画"}},
		{"光 影 日落 日出 黄昏 霓虹", []string{"柔和的金色光线，长长的影子", "清晨薄雾中的漫射光", "清冷的月光，银色高光"}},
		{"构图 特写 远景 近景 前景 背景", []string{"广角构图，层次丰富", "低角度仰拍，背景开阔", "留白充足的均衡构图"}},
		{"细节 纹理 质感 高清", []string{"纹理细腻，细节丰富", "材质逼真，刻画入微"}},
	}
}

// Improve returns an image prompt with the qualities added that it does not
// describe. The user's words stay in front.
func Improve(text string) string {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text))
	random := rand.New(rand.NewPCG(hash.Sum64(), 7)) //nolint:gosec // Repeatable, not secret.
	text = strings.TrimRight(strings.TrimSpace(text), ".,;。，； ")
	traits, comma := englishTraits(), ", "
	if hasHan(text) {
		traits, comma = chineseTraits(), "，"
	}
	lower, parts := strings.ToLower(text), []string{text}
	for _, t := range traits {
		if !containsAny(lower, strings.Fields(t.keywords)...) {
			parts = append(parts, t.phrases[random.IntN(len(t.phrases))])
		}
	}
	return strings.Join(parts, comma)
}
