package pollinations

import (
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream/media"
)

const (
	// minErrorImage and maxErrorImage bound the size in bytes of the legacy service's error image. Generated images have a
	// tenth of it.
	minErrorImage = 1_250_000
	maxErrorImage = 1_350_000
	// maxErrorPixels is more than the error image has. Images with more pixels may have that many bytes.
	maxErrorPixels = 2048 * 2048
)

// checkDuplicate detects error images that are not marked as such, by one of two signs: the size in bytes of the known
// error image of the legacy service, which is checked only there, or another recent prompt with the same bytes.
func (c *Client) checkDuplicate(r ImageRequest, m *media.Media) error {
	size := len(m.Data)
	if c.image.legacy && m.ContentType == "image/jpeg" && size >= minErrorImage && size <= maxErrorImage && m.Width*m.Height <= maxErrorPixels {
		return &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: errPlaceholder}
	}
	return c.recent.Check(m, r.text())
}
