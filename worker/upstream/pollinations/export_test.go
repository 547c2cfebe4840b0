package pollinations

import (
	"context"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

// SetMaxBytes sets the limits of images and speech; 0 keeps the default.
func (c *Config) SetMaxBytes(image, speech int64) {
	c.hooks.maxImageBytes, c.hooks.maxSpeechBytes = image, speech
}

// SetIdle sets the time after which a body without progress times out.
func (c *Config) SetIdle(d time.Duration) { c.hooks.idle = d }

// Legacy reports which of both services are legacy services.
func (c *Client) Legacy() [2]bool { return [2]bool{c.image.legacy, c.speech.legacy} }

// AddPlaceholder adds an error image of a size, by its MD5 sum.
func (c *Client) AddPlaceholder(sum string, bytes int) {
	c.placeholders = append(c.placeholders, placeholder{md5: sum, minBytes: bytes})
}

// SniffImage returns the content type of an image.
func SniffImage(data []byte) string { return media.SniffImage(data) }

// CheckImage checks an image.
func CheckImage(data []byte) (*Media, error) { return media.CheckImage(data) }

// CheckSpeech checks audio.
func CheckSpeech(data []byte, format string) (*Media, error) {
	return media.CheckSpeech(data, format, nil)
}

// ChangeSpeed changes the speed of audio.
func (c *Client) ChangeSpeed(ctx context.Context, m *Media, speed float64, format string) error {
	return c.changeSpeed(ctx, m, speed, format)
}

// UsageOf returns the usage in headers.
func UsageOf(header http.Header) Usage { return usageOf(header) }

// ReadModels reads a model list.
func ReadModels(body []byte) (m Models, ok bool) {
	entries, ok := readList(body)
	m.Image, m.Skipped = filterModels(entries, makesImages)
	m.Speech, _ = filterModels(entries, makesSpeech)
	return m, ok
}
