package pollinations

import (
	"crypto/sha256"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// minErrorImage and maxErrorImage bound the size of the error image of the legacy service. Images that it generates
	// have a tenth of that.
	minErrorImage = 1_250_000
	maxErrorImage = 1_350_000
	// maxErrorPixels is more than the error image has. A larger image may well have that size.
	maxErrorPixels = 2048 * 2048
	// minRepeated is the size from which on the same bytes for another prompt are suspicious. An upstream for tests may
	// return one small image for everything.
	minRepeated = 512 << 10
)

// checkDuplicate detects error images that nothing marks as such. There are two signs.
//
// One is the size of the image that the legacy service is known to send; it is checked there only.
//
// The other is that another prompt got the very same bytes a short while ago: generated images never agree to the last
// bit, stock images always do. Prompts are compared and not URLs, because a model that ignores the seed may rightly
// return one image for all seeds of a prompt, and so a repeated request never fails over itself. The first error image
// of a kind passes.
func (c *Client) checkDuplicate(r ImageRequest, m *Media) error {
	_, old := c.image.dialect.(legacy)
	weight := len(m.Data)
	if old && m.ContentType == "image/jpeg" && weight >= minErrorImage && weight <= maxErrorImage && m.Width*m.Height <= maxErrorPixels {
		return &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: errPlaceholder}
	}
	if weight < minRepeated {
		return nil
	}
	words := sha256.Sum256([]byte(r.text()))
	if c.recent.add(sha256.Sum256(m.Data), words) != words {
		return upstream.InvalidResponse("image was the response to other words, too")
	}
	return nil
}

// digest identifies the bytes of an image or a prompt.
type digest = [sha256.Size]byte

// maxRecent is how many images are remembered: those of some minutes of a busy worker, for a few kilobytes.
const maxRecent = 256

// recent remembers the prompts of the last images. The zero value is ready for use.
type recent struct {
	mu    sync.Mutex
	words map[digest]digest
	order [maxRecent]digest
	next  int
}

// add remembers an image, unless it is known, and returns the prompt that it was first returned for.
func (r *recent) add(picture, words digest) digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, known := r.words[picture]; known {
		return first
	}
	if r.words == nil {
		r.words = make(map[digest]digest, maxRecent)
	}
	delete(r.words, r.order[r.next])
	r.words[picture] = words
	r.order[r.next] = picture
	r.next = (r.next + 1) % maxRecent
	return words
}
