package feed

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/ledger"
)

// readerBuffer is how many events may wait for the consumer of a Reader.
const readerBuffer = 16

// Reader is one consumer of events.
type Reader struct {
	events chan Event
	ctx    context.Context //nolint:containedctx // The life of the reader.
	cancel context.CancelCauseFunc
	// detach ends the reader's tie to the feed's life.
	detach func() bool
	done   chan struct{}
	err    error
}

func newReader(ctx context.Context, f *Feed) *Reader {
	r := &Reader{events: make(chan Event, readerBuffer), done: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	// A reader ends with its own context or with the feed, whichever is first.
	r.detach = context.AfterFunc(f.ctx, func() { r.cancel(ErrStopped) })
	return r
}

// Events returns the channel of events. It is closed after a terminal event of a single job, when the reader was too
// slow and when the feed stops; Err then says which.
func (r *Reader) Events() <-chan Event { return r.events }

// Err returns why the channel was closed: nil after a terminal event. It waits for the close.
func (r *Reader) Err() error {
	<-r.done
	return r.err
}

// Close ends the reader. It may be called more than once.
func (r *Reader) Close() { r.cancel(context.Canceled) }

// start runs a reader's loop until it ends.
func (f *Feed) start(r *Reader, leave func(), run func() error) {
	f.wg.Go(func() {
		defer close(r.done)
		defer close(r.events)
		if leave != nil {
			defer leave()
		}
		r.err = run()
		r.detach()
		r.cancel(r.err)
	})
}

// send hands an event to the consumer. One that does not take it in time is slow.
func (r *Reader) send(e Event) error {
	select {
	case r.events <- e:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r.events <- e:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case <-timer.C:
		return ErrSlow
	}
}

// patience is how long a full reader is waited for.
const patience = 10 * time.Second

// follow sends the states of one job until it has ended.
func (f *Feed) follow(r *Reader, sub *subscriber, snap *job.Snapshot) error {
	if err := f.show(r, snap); err != nil || snap.Record != nil {
		return err
	}
	reread := time.NewTicker(f.cfg.Reread)
	defer reread.Stop()
	for {
		next := snap
		select {
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		case <-sub.slow:
			return ErrSlow
		case n := <-sub.notices:
			if n.position != nil {
				if snap.Status() == job.StatusQueued {
					if err := r.send(tick(snap, *n.position)); err != nil {
						return err
					}
				}
				continue
			}
			next = apply(snap, n)
		case <-reread.C:
			read, err := f.ledger.Read(r.ctx, []string{snap.Spec.Owner}, snap.Spec.ID)
			if errors.Is(err, ledger.ErrNotFound) {
				return ledger.ErrNotFound
			}
			if err != nil {
				// NATS may be away for a moment; the next reading tells.
				continue
			}
			next = read
		}
		if !next.Follows(snap) {
			continue
		}
		snap = next
		if err := f.show(r, snap); err != nil || snap.Record != nil {
			return err
		}
	}
}

func (f *Feed) show(r *Reader, snap *job.Snapshot) error {
	return r.send(Event{ID: snap.EventID(), Snapshot: snap, Job: f.View(r.ctx, snap)})
}

func tick(snap *job.Snapshot, p position) Event {
	j := snap.View()
	p.addTo(j)
	return Event{Snapshot: snap, Job: j}
}

// apply returns the state of a job after a notice.
func apply(snap *job.Snapshot, n notice) *job.Snapshot {
	next := *snap
	switch {
	case n.record != nil:
		return &job.Snapshot{Spec: n.record.Spec, Record: n.record}
	case n.progress != nil:
		next.Progress = n.progress
	}
	return &next
}
