package feed

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/ledger"
)

// followOwner sends the states of all jobs of an owner until the reader ends.
func (f *Feed) followOwner(r *Reader, sub *subscriber, owner string, first []*job.Snapshot) error {
	known := newRoster()
	for _, snap := range first {
		if err := f.advance(r, known, snap); err != nil {
			return err
		}
	}
	reread := time.NewTicker(f.cfg.Reread)
	defer reread.Stop()
	ticker := time.NewTicker(f.cfg.Tick)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		case <-sub.slow:
			return ErrSlow
		case n := <-sub.notices:
			err = f.tell(r, known, n)
		case <-reread.C:
			err = f.reread(r, known, owner)
		case <-ticker.C:
			err = f.tickAll(r, known)
		}
		if err != nil {
			return err
		}
	}
}

// tell sends the state after a notice.
func (f *Feed) tell(r *Reader, known *roster, n notice) error {
	gone := known.gone(n.id)
	if gone && n.queued == nil {
		return nil
	}
	snap := f.after(r.ctx, known.active[n.id], n)
	if snap == nil {
		return nil
	}
	if gone && snap.Record == nil {
		// The job was deleted, and its idempotency key was used again.
		known.forget(n.id)
	}
	return f.advance(r, known, snap)
}

// advance sends a state if it is news.
func (f *Feed) advance(r *Reader, known *roster, snap *job.Snapshot) error {
	if !known.enter(snap) {
		return nil
	}
	return f.show(r, snap)
}

// reread reads every active job again, and those whose end may have been missed.
func (f *Feed) reread(r *Reader, known *roster, owner string) error {
	active, err := f.ledger.Active(r.ctx, owner)
	if err != nil {
		return nil //nolint:nilerr // NATS may be away for a moment; the next reading tells.
	}
	alive := make(map[string]bool, len(active))
	for _, snap := range active {
		alive[snap.Spec.ID] = true
		if err := f.advance(r, known, snap); err != nil {
			return err
		}
	}
	for id := range known.active {
		if alive[id] {
			continue
		}
		read, err := f.ledger.Read(r.ctx, []string{owner}, id)
		if errors.Is(err, ledger.ErrNotFound) {
			known.forget(id)
		}
		if err != nil {
			continue
		}
		if err := f.advance(r, known, read); err != nil {
			return err
		}
	}
	known.sweep(time.Now())
	return nil
}

// tickLimit is how many waiting jobs of one owner get a position each time.
const tickLimit = 20

// tickAll tells the places of the jobs that wait. Which ones come first is left to chance, so that each has its turn
// when there are many.
func (f *Feed) tickAll(r *Reader, known *roster) error {
	asked := 0
	for id, snap := range known.active {
		if snap.Status() != job.StatusQueued {
			continue
		}
		if asked++; asked > tickLimit {
			return nil
		}
		place, waits := f.estimate.place(r.ctx, snap.Spec.Owner, id)
		if !waits || !known.move(id, place) {
			continue
		}
		if err := r.send(f.tick(snap, place)); err != nil {
			return err
		}
	}
	return nil
}
