package feedback

import "context"

// MarkFound is Mark for what was found before.
func (b *Box) MarkFound(ctx context.Context, e *Entry, status Status) (*Entry, error) {
	return b.mark(ctx, e, status)
}

// ReadAtOnce has so many entries get their status at once.
func (b *Box) ReadAtOnce(n int) { b.batch = n }
