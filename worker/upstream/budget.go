package upstream

import (
	"context"
	"sync"
)

const (
	// freeBytes is the part of each response that does not count against a budget. Most images are smaller and never wait.
	freeBytes = 512 << 10
	// chunkBytes is the size of the chunks in which a response of unknown length is read.
	chunkBytes = 256 << 10
)

// Budget bounds the memory of all large responses together while they are read. A response reserves bytes as it grows.
// When none are left, one response at a time may exceed the budget, up to its own limit, so that one response can always
// complete. The memory in use is therefore at most the budget plus one such limit. It is safe for concurrent use.
//
// A weighted semaphore cannot replace it: responses reserve more while they hold bytes, so all of them could wait for
// each other.
type Budget struct {
	mu        sync.Mutex
	left      int64
	overdraft *Reservation
	changed   chan struct{}
	// chunks are reused, since endless bodies would otherwise produce much garbage.
	chunks sync.Pool
}

// NewBudget returns a budget of this many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{
		left:    bytes,
		changed: make(chan struct{}),
		chunks:  sync.Pool{New: func() any { return new([chunkBytes]byte) }},
	}
}

// NewReservation returns an empty reservation. The reservations of a nil budget are unlimited.
func (b *Budget) NewReservation() *Reservation { return &Reservation{budget: b} }

// Reservation is one response's part of a Budget. It is not safe for concurrent use.
type Reservation struct {
	budget *Budget
	taken  int64
}

// Grow reserves more bytes. It waits until they are free or this reservation may exceed the budget; waiters are served in
// no particular order. If ctx ends first, it returns its cause.
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

// tryGrow reserves the bytes and returns true if Grow would not wait.
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

// Release releases all bytes. It may be called more than once.
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

// chunk returns a buffer, to be returned with reuse.
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
