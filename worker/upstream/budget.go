package upstream

import (
	"context"
	"sync"
)

const (
	// freeBytes is how much of a response is read before it counts against a budget. Most images are smaller, so that
	// they wait for nobody.
	freeBytes = 512 << 10
	// chunkBytes is the size of the pieces in which a response of unknown length is read.
	chunkBytes = 256 << 10
)

// Budget bounds what all large responses together hold in memory while they are read, however many never end. A response
// takes from the budget as it grows. When nothing is left one response at a time, the one that has the turn, may go beyond
// it up to its own bound, so that there is always one that comes to its end; the budget and one such bound are the most
// that is ever held. It may be used by many goroutines at once.
type Budget struct {
	mu        sync.Mutex
	left      int64
	overdraft *Reservation
	changed   chan struct{}
	// chunks are kept for the next response: bodies that never end would otherwise leave heaps of them to the collector.
	chunks sync.Pool
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{
		left:    bytes,
		changed: make(chan struct{}),
		chunks:  sync.Pool{New: func() any { return new([chunkBytes]byte) }},
	}
}

// Reservation returns what one user has of the budget, nothing yet. A nil budget is without bounds.
func (b *Budget) NewReservation() *Reservation { return &Reservation{budget: b} }

// Reservation is one user's part of a Budget. It belongs to one goroutine.
type Reservation struct {
	budget *Budget
	taken  int64
}

// Grow takes so many bytes more, waiting until they are free or it is this user's turn to go beyond the budget. It fails
// with the cause of ctx. Of those who wait nobody comes first.
func (h *Reservation) Grow(ctx context.Context, bytes int64) error {
	if h.budget == nil || bytes <= 0 {
		return nil
	}
	for {
		changed, granted := h.attempt(bytes)
		if granted {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tryGrow reports whether Grow would not wait, in which case it has been done.
func (h *Reservation) tryGrow(bytes int64) bool {
	if h.budget == nil || bytes <= 0 {
		return true
	}
	_, granted := h.attempt(bytes)
	return granted
}

func (h *Reservation) attempt(bytes int64) (changed <-chan struct{}, granted bool) {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.overdraft == h:
	case bytes <= b.left:
		b.left -= bytes
		h.taken += bytes
	case b.overdraft == nil:
		b.overdraft = h
	default:
		return b.changed, false
	}
	return nil, true
}

// Release gives everything back. It may be called more than once.
func (h *Reservation) Release() {
	b := h.budget
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.taken == 0 && b.overdraft != h {
		return
	}
	b.left += h.taken
	h.taken = 0
	if b.overdraft == h {
		b.overdraft = nil
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// chunk returns a piece of memory to read into, and drop takes it back.
func (h *Reservation) chunk() *[chunkBytes]byte {
	if h.budget == nil {
		return new([chunkBytes]byte)
	}
	return h.budget.chunks.Get().(*[chunkBytes]byte) //nolint:forcetypeassert // Nothing else is ever put there.
}

func (h *Reservation) reuse(chunks []*[chunkBytes]byte) {
	if h.budget == nil {
		return
	}
	for _, c := range chunks {
		h.budget.chunks.Put(c)
	}
}
