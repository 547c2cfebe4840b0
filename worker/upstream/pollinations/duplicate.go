package pollinations

import (
	"crypto/sha256"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// minErrorImage and maxErrorImage bound the size in bytes of the legacy service's error image. Generated images have a
	// tenth of it.
	minErrorImage = 1_250_000
	maxErrorImage = 1_350_000
	// maxErrorPixels is more than the error image has. Images with more pixels may have that many bytes.
	maxErrorPixels = 2048 * 2048
	// minRepeated is the size in bytes from which equal images for different prompts are an error. An upstream for tests
	// may return one small image for all prompts.
	minRepeated = 512 << 10
)

// checkDuplicate detects error images that are not marked as such, by one of two signs:
//
// The size in bytes of the known error image of the legacy service, which is checked only there.
//
// Another recent prompt with exactly the same bytes: generated images are never equal, stock images are. Prompts are
// compared and not URLs, because a model that ignores the seed may return one image for all seeds of a prompt; a repeated
// request never fails. The first error image of a kind is not detected.
func (c *Client) checkDuplicate(r ImageRequest, m *Media) error {
	size := len(m.Data)
	if c.image.legacy && m.ContentType == "image/jpeg" && size >= minErrorImage && size <= maxErrorImage && m.Width*m.Height <= maxErrorPixels {
		return &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: errPlaceholder}
	}
	if size < minRepeated {
		return nil
	}
	prompt := sha256.Sum256([]byte(r.text()))
	if c.recent.add(sha256.Sum256(m.Data), prompt) != prompt {
		return upstream.InvalidResponse("image is the same as for another prompt")
	}
	return nil
}

// digest is the hash of an image or a prompt.
type digest = [sha256.Size]byte

// maxRecent is the number of images to remember: a few kilobytes for some minutes of a busy worker.
const maxRecent = 256

// recent remembers the prompts of the last images. The zero value is ready for use.
type recent struct {
	mu      sync.Mutex
	prompts map[digest]digest
	order   [maxRecent]digest
	next    int
}

// add remembers the prompt of an image and returns it, or the prompt of an earlier, equal image.
func (r *recent) add(image, prompt digest) digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, known := r.prompts[image]; known {
		return first
	}
	if r.prompts == nil {
		r.prompts = make(map[digest]digest, maxRecent)
	}
	delete(r.prompts, r.order[r.next])
	r.prompts[image] = prompt
	r.order[r.next] = image
	r.next = (r.next + 1) % maxRecent
	return prompt
}
