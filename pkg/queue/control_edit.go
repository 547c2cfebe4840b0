package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// maxEdits is how often a change is tried again because somebody else was faster.
const maxEdits = 16

// errContended is returned when others kept changing the same thing.
var errContended = errors.New("changed by others again and again")

// Trip closes an upstream to everybody. It returns the circuit as it stood before and as it stands then, which is the
// same when it was open for at least as long. It costs two requests, and two more for each time that somebody else was
// faster.
func (c *Control) Trip(ctx context.Context, t Trip) (before, after Circuit, err error) {
	after, _, err = c.editCircuit(ctx, t.Upstream, func(now Circuit) (Circuit, bool) {
		before = now
		return now.opened(t, c.now())
	})
	return before, after, err
}

// Probe asks for the right to let one job of a worker through to an upstream that is due. It reports false when the
// upstream is not due, or when somebody else has the right. The right ends after hold, should no outcome come.
func (c *Control) Probe(ctx context.Context, upstream, worker string, hold time.Duration) (bool, error) {
	_, mine, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if !now.Due(c.now()) {
			return now, false
		}
		now.State, now.Probe, now.Until = CircuitHalfOpen, worker, job.At(c.now().Add(hold))
		return now, true
	})
	return mine, err
}

// Renew prolongs the right to let a job through.
func (c *Control) Renew(ctx context.Context, upstream, worker string, hold time.Duration) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if !now.probedBy(worker) {
			return now, false
		}
		now.Until = job.At(c.now().Add(hold))
		return now, true
	})
	return err
}

// Close opens the way to an upstream again after the job that was let through has shown that it serves.
func (c *Control) Close(ctx context.Context, upstream, worker string) (changed bool, err error) {
	_, changed, err = c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if !now.probedBy(worker) {
			return now, false
		}
		return Circuit{V: job.Version, Upstream: upstream, State: CircuitClosed, Until: job.At(c.now()), Since: now.Since}, true
	})
	return changed, err
}

// Yield gives the right to let a job through back: the job had no outcome that says anything about the upstream.
func (c *Control) Yield(ctx context.Context, upstream, worker string) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if !now.probedBy(worker) {
			return now, false
		}
		now.State, now.Probe, now.Until = CircuitOpen, "", job.At(c.now())
		return now, true
	})
	return err
}

// Reconsider lets a job through at once to an upstream that was closed for the given reason, for example because a
// worker has started with other settings. One that has asked for patience is left alone for as long.
func (c *Control) Reconsider(ctx context.Context, upstream, code string) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if now.State != CircuitOpen || now.Code != code || (now.Retrial && now.Due(c.now())) {
			return now, false
		}
		at := job.At(c.now())
		if now.Asked.After(at.Time) {
			at = now.Asked
		}
		if at.Before(now.Until.Time) {
			now.Until = at
		}
		now.Retrial = true
		return now, true
	})
	return err
}

// Pause orders that no job of a kind is begun before until; running ones go on. A further order replaces it.
func (c *Control) Pause(ctx context.Context, kind job.Kind, until time.Time, note string) (KindPause, error) {
	p := KindPause{V: job.Version, Kind: kind, Until: job.At(until), Since: job.At(c.now()), Note: note}
	return p, c.putPause(ctx, p)
}

// Resume withdraws the order about a kind.
func (c *Control) Resume(ctx context.Context, kind job.Kind) error {
	now := job.At(c.now())
	return c.putPause(ctx, KindPause{V: job.Version, Kind: kind, Until: now, Since: now})
}

func (c *Control) putPause(ctx context.Context, p KindPause) error {
	data, err := encodeControl(p)
	if err != nil {
		return err
	}
	subject := broker.PauseSubject(p.Kind)
	ack, err := c.queue.js.Publish(ctx, subject, data)
	if err != nil {
		return fmt.Errorf("store order: %w", err)
	}
	c.published(ctx, data, subject, ack.Sequence)
	return nil
}

// editCircuit changes a circuit by compare and swap, on what the leader knows.
func (c *Control) editCircuit(
	ctx context.Context, upstream string, edit func(Circuit) (Circuit, bool),
) (after Circuit, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	select {
	case c.editing <- struct{}{}:
		defer func() { <-c.editing }()
	case <-ctx.Done():
		return Circuit{}, false, fmt.Errorf("wait to change circuit: %w", context.Cause(ctx))
	}
	subject := broker.CircuitSubject(upstream)
	for range maxEdits {
		now := Circuit{V: job.Version, Upstream: upstream, State: CircuitClosed}
		var revision uint64
		msg, err := broker.LeaderLast(ctx, c.queue.js, broker.ControlStream, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return now, false, fmt.Errorf("read circuit: %w", err)
		default:
			revision = msg.Sequence
			if known, ok := decodeCircuit(msg.Data); ok {
				now = known
			}
			c.take(msg.Data, subject, msg.Sequence)
		}
		next, changed := edit(now)
		if !changed {
			return now, false, nil
		}
		data, err := encodeControl(next)
		if err != nil {
			return now, false, err
		}
		ack, err := c.queue.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(revision))
		if broker.Conflict(err) {
			continue
		}
		if err != nil {
			return now, false, fmt.Errorf("store circuit: %w", err)
		}
		c.published(ctx, data, subject, ack.Sequence)
		return next, true, nil
	}
	return Circuit{}, false, fmt.Errorf("store circuit: %w", errContended)
}

// published takes a state that was written here into the view, the consumers included, and tells the others.
func (c *Control) published(ctx context.Context, data []byte, subject string, revision uint64) {
	c.take(data, subject, revision)
	notice := nats.NewMsg(broker.ControlChanged)
	notice.Data = data
	notice.Header.Set(noticeSubject, subject)
	notice.Header.Set(noticeRevision, strconv.FormatUint(revision, 10))
	if err := c.queue.nc.PublishMsg(notice); err != nil {
		// They look for themselves in a second.
		c.log.DebugContext(ctx, "cannot announce the change", "error", err)
	}
}

// The headers of a notice, whose body is the state as it was stored.
const (
	noticeSubject  = "Control-Subject"
	noticeRevision = "Control-Revision"
)

// notified takes in a state that another process has stored.
func (c *Control) notified(m *nats.Msg) {
	revision, err := strconv.ParseUint(m.Header.Get(noticeRevision), 10, 64)
	if err == nil && revision > 0 {
		c.take(m.Data, m.Header.Get(noticeSubject), revision)
	}
}
