package media

import (
	"crypto/sha256"
	"sync"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// minRepeated is the size in bytes from which equal images for different prompts are an error. An upstream for tests
	// may return one small image for all prompts.
	minRepeated = 512 << 10
	// maxRecent is the number of images to remember: a few kilobytes for some minutes of a busy worker.
	maxRecent = 256
)

// digest is the hash of an image or a prompt.
type digest = [sha256.Size]byte

// Recent remembers the prompts of the last images, to detect error images that are not marked as such. The zero value is
// ready for use; it is safe for concurrent use.
type Recent struct {
	mu      sync.Mutex
	prompts map[digest]digest
	order   [maxRecent]digest
	next    int
}

// Check fails with a *fault.Error if another recent prompt had exactly the same bytes: generated images are never equal,
// stock images are. Prompts are compared and not requests, because a model that ignores the seed may return one image for
// all seeds of a prompt; a repeated request never fails. The first error image of a kind is not detected.
func (r *Recent) Check(m *Media, prompt string) error {
	if len(m.Data) < minRepeated {
		return nil
	}
	asked := sha256.Sum256([]byte(prompt))
	if r.add(sha256.Sum256(m.Data), asked) != asked {
		return upstream.InvalidResponse("image is the same as for another prompt")
	}
	return nil
}

// add remembers the prompt of an image and returns it, or the prompt of an earlier, equal image.
func (r *Recent) add(image, prompt digest) digest {
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
