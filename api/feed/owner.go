package feed

import (
	"context"
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// followOwner sends the states of all jobs of an owner until the reader ends.
func (f *Feed) followOwner(r *Reader, sub *subscriber, owner string, first []*job.Snapshot) error {
	known := make(map[string]*job.Snapshot, len(first))
	for _, snap := range first {
		if err := f.advance(r, known, snap); err != nil {
			return err
		}
	}
	reread := time.NewTicker(f.cfg.Reread)
	defer reread.Stop()
	ticker := time.NewTicker(f.cfg.Tick)
	defer ticker.Stop()
	places := make(map[string]position)
	for {
		select {
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		case <-sub.slow:
			return ErrSlow
		case n := <-sub.notices:
			snap, err := f.after(r.ctx, known[n.id], n)
			if err != nil || snap == nil {
				// What cannot be read now is found by the regular reading.
				continue
			}
			if err := f.advance(r, known, snap); err != nil {
				return err
			}
		case <-reread.C:
			if err := f.reread(r, known, owner); err != nil {
				return err
			}
		case <-ticker.C:
			if err := f.tickAll(r, known, places); err != nil {
				return err
			}
		}
	}
}

// after returns the state of a job after a notice; a job that was not known is read first.
func (f *Feed) after(ctx context.Context, snap *job.Snapshot, n notice) (*job.Snapshot, error) {
	switch {
	case n.record != nil:
		return &job.Snapshot{Spec: n.record.Spec, Record: n.record}, nil
	case n.queued != nil && snap == nil:
		return &job.Snapshot{Spec: n.queued}, nil
	case n.queued != nil:
		return nil, nil
	case snap == nil:
		return f.ledger.Read(ctx, []string{n.owner}, n.id)
	}
	return apply(snap, n), nil
}

// advance sends a state if it is news, and forgets a job that has ended.
func (f *Feed) advance(r *Reader, known map[string]*job.Snapshot, snap *job.Snapshot) error {
	id := snap.Spec.ID
	if !snap.Follows(known[id]) {
		return nil
	}
	known[id] = snap
	return f.show(r, snap)
}

// reread reads every active job again, and those whose end may have been missed.
func (f *Feed) reread(r *Reader, known map[string]*job.Snapshot, owner string) error {
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
	for id, snap := range known {
		if alive[id] {
			continue
		}
		if snap.Record != nil {
			// Its end was sent; it was kept until now so that a late event is known to be late.
			delete(known, id)
			continue
		}
		read, err := f.ledger.Read(r.ctx, []string{owner}, id)
		if err != nil {
			continue
		}
		if err := f.advance(r, known, read); err != nil {
			return err
		}
	}
	return nil
}

// tickLimit is how many waiting jobs of one owner get a position each time.
const tickLimit = 20

func (f *Feed) tickAll(r *Reader, known map[string]*job.Snapshot, places map[string]position) error {
	maps.DeleteFunc(places, func(id string, _ position) bool { return known[id] == nil })
	asked := 0
	for id, snap := range known {
		if snap.Status() != job.StatusQueued {
			delete(places, id)
			continue
		}
		if asked++; asked > tickLimit {
			break
		}
		place, waits := f.estimate.place(r.ctx, snap.Spec.Owner, id)
		if !waits || place == places[id] {
			continue
		}
		places[id] = place
		if err := r.send(tick(snap, place)); err != nil {
			return err
		}
	}
	return nil
}
