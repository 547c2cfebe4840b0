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
	// patience is how long a full reader is waited for.
	patience time.Duration
}

func newReader(ctx context.Context, f *Feed) *Reader {
	r := &Reader{events: make(chan Event, readerBuffer), done: make(chan struct{}), patience: f.cfg.Patience}
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

// abandon ends a reader that nobody got, and returns why.
func (r *Reader) abandon(err error) error {
	if cause := context.Cause(r.ctx); cause != nil && !errors.Is(err, ledger.ErrNotFound) {
		err = cause
	}
	r.detach()
	r.cancel(err)
	return err
}

// start runs a reader's loop until it ends.
func (f *Feed) start(r *Reader, sub *subscriber, run func() error) {
	f.wg.Go(func() {
		defer close(r.done)
		defer close(r.events)
		if sub != nil {
			defer sub.leave()
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
	timer := time.NewTimer(r.patience)
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

// follow sends the states of one job until it has ended.
func (f *Feed) follow(r *Reader, sub *subscriber, snap *job.Snapshot) error {
	if snap.Progress != nil {
		sub.topic.begun.Store(true)
	}
	if err := f.show(r, snap); err != nil || snap.Record != nil {
		return err
	}
	reread := time.NewTimer(f.again(snap))
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
					if err := r.send(f.tick(snap, *n.position)); err != nil {
						return err
					}
				}
				continue
			}
			if next = f.after(r.ctx, snap, n); next == nil {
				continue
			}
		case <-reread.C:
			reread.Reset(f.again(snap))
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
		if snap.Status() != job.StatusQueued {
			sub.topic.begun.Store(true)
		}
		if err := f.show(r, snap); err != nil || snap.Record != nil {
			return err
		}
	}
}

// overdue is how long after its deadline a job has ended for certain, or is ended by being read.
const overdue = 500 * time.Millisecond

// again returns after how long to read a watched job: regularly, and when its time is up.
func (f *Feed) again(snap *job.Snapshot) time.Duration {
	if left := time.Until(snap.Spec.Deadline.Time) + overdue; left > 0 && left < f.cfg.Reread {
		return left
	}
	return f.cfg.Reread
}

func (f *Feed) show(r *Reader, snap *job.Snapshot) error {
	return r.send(Event{ID: snap.EventID(), Snapshot: snap, Job: f.View(r.ctx, snap)})
}

func (f *Feed) tick(snap *job.Snapshot, p position) Event {
	j := f.Show(snap)
	p.addTo(j)
	return Event{Snapshot: snap, Job: j}
}

// after returns the state of a job after a notice, nil when it is no news. A job that was not known is read: it may have
// ended long ago, for a submission that is repeated is told too. So is one whose delivery number has fallen, since
// notices from before a reading come after it; what is stored decides. A reading that fails is made up for by the
// regular one.
func (f *Feed) after(ctx context.Context, snap *job.Snapshot, n notice) *job.Snapshot {
	switch {
	case n.record != nil:
		return &job.Snapshot{Spec: n.record.Spec, Record: n.record}
	case snap == nil || n.progress != nil && snap.Progress != nil && n.progress.Delivery < snap.Progress.Delivery:
		read, err := f.ledger.Read(ctx, []string{n.owner}, n.id)
		if err != nil {
			return nil
		}
		return read
	case n.progress != nil:
		next := *snap
		next.Progress = n.progress
		return &next
	}
	return nil
}
