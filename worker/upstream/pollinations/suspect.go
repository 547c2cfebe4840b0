package pollinations

import (
	"crypto/sha256"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

const (
	// minErrorPicture and maxErrorPicture are the weight of the error picture of the older service. Pictures that it paints
	// weigh a tenth of that.
	minErrorPicture = 1_250_000
	maxErrorPicture = 1_350_000
	// maxErrorPixels is more than the error picture has. A larger one may well weigh as much.
	maxErrorPixels = 2048 * 2048
	// minRepeated is the weight from which on the same bytes for other words are suspicious. A test's upstream may answer
	// everything with one small picture.
	minRepeated = 512 << 10
)

// suspect looks whether a sound picture is an error picture that nothing marks as one. There are two signs.
//
// One is the weight of the picture that the older service is known to send; it is looked for there alone.
//
// The other is that other words were answered with the very same bytes a little while ago: painted pictures never agree
// to the last bit, stock ones always do. Words are compared and not addresses, because a model that heeds no seed may
// rightly give one picture for all seeds of a prompt; and so a request that is repeated never trips over itself. The
// first error picture of a kind passes.
func (c *Client) suspect(r ImageRequest, m *Media) error {
	_, old := c.image.dialect.(legacy)
	weight := len(m.Data)
	if old && m.ContentType == "image/jpeg" && weight >= minErrorPicture && weight <= maxErrorPicture && m.Width*m.Height <= maxErrorPixels {
		return &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: errPlaceholder}
	}
	if weight < minRepeated {
		return nil
	}
	words := sha256.Sum256([]byte(r.words()))
	if c.recent.see(sha256.Sum256(m.Data), words) != words {
		return upstream.InvalidAnswer("picture was the answer to other words, too")
	}
	return nil
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
