package feedback

import "context"

// MarkFound is Mark for an entry that was read before.
func (b *Box) MarkFound(ctx context.Context, e *Entry, status Status) (*Entry, error) {
	return b.mark(ctx, e, status)
}

// ReadAtOnce sets how many statuses are read with one request.
func (b *Box) ReadAtOnce(n int) { b.statusesAtOnce = n }
