package pollinations

import (
	"crypto/sha256"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// minErrorImage and maxErrorImage are the weight of the error image of the legacy service. Images that it paints
	// weigh a tenth of that.
	minErrorImage = 1_250_000
	maxErrorImage = 1_350_000
	// maxErrorPixels is more than the error image has. A larger one may well weigh as much.
	maxErrorPixels = 2048 * 2048
	// minRepeated is the weight from which on the same bytes for other words are suspicious. A test's upstream may response
	// everything with one small image.
	minRepeated = 512 << 10
)

// checkDuplicate looks whether a sound image is an error image that nothing marks as one. There are two signs.
//
// One is the weight of the image that the legacy service is known to send; it is looked for there alone.
//
// The other is that other words were answered with the very same bytes a little while ago: painted images never agree
// to the last bit, stock ones always do. Words are compared and not URLs, because a model that ignores the seed may
// rightly give one image for all seeds of a prompt; and so a request that is repeated never trips over itself. The
// first error image of a kind passes.
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

// digest identifies an image's bytes or a request's words.
type digest = [sha256.Size]byte

// maxRecent is how many images are remembered: those of some minutes at a busy worker, for a few kilobytes.
const maxRecent = 256

// recent remembers which words the last images answered. The zero value is ready for use.
type recent struct {
	mu    sync.Mutex
	words map[digest]digest
	order [maxRecent]digest
	next  int
}

// add remembers an image, unless it is known already, and returns the words that it answered first.
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
