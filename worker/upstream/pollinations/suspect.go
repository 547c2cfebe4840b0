package pollinations

import (
	"crypto/sha256"
	"sync"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// The size of the files of an error picture that is known without its bytes being known.
const (
	minErrorPicture = 1_200_000
	maxErrorPicture = 1_400_000
)

// suspect looks whether a sound picture is an error picture that nothing marks as one. It needs two signs at once.
//
// The first is a size that was not asked for, which alone proves nothing, since models round sizes and scale large ones
// down. The second is that other words were answered with the very same bytes a little while ago: painted pictures never
// agree to the last bit, stock ones always do. Words are compared and not addresses, because a model that heeds no seed
// may rightly give one picture for all seeds of a prompt; and so a request that is repeated never trips over itself.
// The first error picture of a kind therefore passes, unless it comes from an older service and is as heavy as the one
// that is known there and of another shape than asked for, which a picture that was only scaled down keeps.
func (c *Client) suspect(r ImageRequest, m *Media) error {
	words := sha256.Sum256([]byte(r.words()))
	first := c.recent.see(sha256.Sum256(m.Data), words)
	if r.Width <= 0 || r.Height <= 0 || (m.Width == r.Width && m.Height == r.Height) {
		return nil
	}
	if first != words {
		return upstream.InvalidAnswer("picture has a size that was not asked for and was the answer to other words, too")
	}
	heavy := len(m.Data) >= minErrorPicture && len(m.Data) <= maxErrorPicture
	if _, old := c.image.dialect.(legacy); old && heavy && !sameShape(r, m) {
		return upstream.InvalidAnswer("picture has the weight of an error picture and a shape that was not asked for")
	}
	return nil
}

// sameShape says whether a picture has the proportions asked for, give or take what rounding to blocks of pixels does.
func sameShape(r ImageRequest, m *Media) bool {
	const slack = 0.05
	ratio := float64(m.Width) * float64(r.Height) / (float64(m.Height) * float64(r.Width))
	return ratio > 1-slack && ratio < 1+slack
}

// digest identifies a picture's bytes or a request's words.
type digest = [sha256.Size]byte

// memory is how many pictures are remembered: those of some minutes at a busy worker, for a few kilobytes.
const memory = 256

// recent remembers which words the last pictures answered. The zero value is ready for use.
type recent struct {
	mu    sync.Mutex
	words map[digest]digest
	order [memory]digest
	next  int
}

// see remembers a picture, unless it is known already, and returns the words that it answered first.
func (r *recent) see(picture, words digest) digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first, known := r.words[picture]; known {
		return first
	}
	if r.words == nil {
		r.words = make(map[digest]digest, memory)
	}
	delete(r.words, r.order[r.next])
	r.words[picture] = words
	r.order[r.next] = picture
	r.next = (r.next + 1) % memory
	return words
}
