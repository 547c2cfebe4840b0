package pollinations

import (
	"context"
	"net/http"
	"time"
)

// SetMaxBytes bounds images and speech; 0 keeps a default.
func (c *Config) SetMaxBytes(image, speech int64) {
	c.hooks.maxImageBytes, c.hooks.maxSpeechBytes = image, speech
}

// SetLegacySpacing sets the time between calls to the legacy services.
func (c *Config) SetLegacySpacing(image, speech time.Duration) {
	c.hooks.imageSpacing, c.hooks.speechSpacing = image, speech
}

// SetIdle sets how long a body may make no progress.
func (c *Config) SetIdle(d time.Duration) { c.hooks.idle = d }

// LegacySpacing returns the time between calls to both services, 0 for one that is not a legacy service.
func (c *Client) LegacySpacing() [2]time.Duration {
	return [2]time.Duration{c.image.spacing, c.speech.spacing}
}

// AddPlaceholder lets tests name an image of their own as an error image.
func (c *Client) AddPlaceholder(sum string) { c.placeholders = append(c.placeholders, sum) }

// SniffImage lets tests hold the sniffer against foreign bytes.
func SniffImage(data []byte) string { return sniffImage(data) }

// CheckImage lets tests check bytes without an exchange.
func CheckImage(data []byte) (*Media, error) { return (&Client{}).checkImage(data) }

// CheckSpeech lets tests check bytes without an exchange.
func CheckSpeech(data []byte, format string) (*Media, error) { return checkSpeech(data, format) }

// Retime lets tests change a recording without an exchange.
func (c *Client) Retime(ctx context.Context, m *Media, speed float64, format string) error {
	return c.changeSpeed(ctx, m, speed, format)
}

// UsageOf lets tests read headers without an exchange.
func UsageOf(header http.Header, hit bool) Usage { return usageOf(header, hit) }

// ReadModels lets tests read a list without an exchange.
func ReadModels(body []byte) (m Models, is bool) {
	entries, is := readList(body)
	m.Image, m.Skipped = filterModels(entries, makesImages)
	m.Speech, _ = filterModels(entries, makesSpeech)
	return m, is
}
