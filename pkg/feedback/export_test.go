package feedback

import "context"

// MarkFound is Mark for what was found before.
func (b *Box) MarkFound(ctx context.Context, e *Entry, status Status) (*Entry, error) {
	return b.mark(ctx, e, status)
}

// ReadAtOnce changes how many entries get their status with one request.
func (b *Box) ReadAtOnce(n int) { b.statusesAtOnce = n }
