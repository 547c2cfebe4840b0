package control

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Trip opens the circuit of an upstream. It returns the circuit before and after, which is the same if it was already open
// for at least as long. It costs two requests, and two more for each conflict with another process.
func (c *Controller) Trip(ctx context.Context, t Trip) (before, after Circuit, err error) {
	after, _, err = c.editCircuit(ctx, t.Upstream, func(now Circuit) (Circuit, bool) {
		before = now
		return now.opened(t, c.now())
	})
	return before, after, err
}

// Probe requests a permit for a worker to run one job with an upstream whose circuit is due. It returns false if the circuit
// is not due or another worker has the permit. The permit expires after hold.
func (c *Controller) Probe(ctx context.Context, upstream, worker string, hold time.Duration) (bool, error) {
	_, permitted, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if !now.Due(c.now()) {
			return now, false
		}
		now.State, now.Probe, now.Until = CircuitHalfOpen, worker, job.At(c.now().Add(hold))
		return now, true
	})
	return permitted, err
}

// RenewProbe extends the permit of a worker.
func (c *Controller) RenewProbe(ctx context.Context, upstream, worker string, hold time.Duration) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		now.Until = job.At(c.now().Add(hold))
		return now, now.probedBy(worker)
	})
	return err
}

// Close closes a circuit after a successful probe of a worker.
func (c *Controller) Close(ctx context.Context, upstream, worker string) (changed bool, err error) {
	_, changed, err = c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		closed := closedCircuit(upstream)
		closed.Until, closed.Since = job.At(c.now()), now.Since
		return closed, now.probedBy(worker)
	})
	return changed, err
}

// Reset closes a circuit whatever its state. It is for an upstream with several providers, whose own circuits say when each may
// be called.
func (c *Controller) Reset(ctx context.Context, upstream string) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		closed := closedCircuit(upstream)
		closed.Until, closed.Since = job.At(c.now()), now.Since
		return closed, now.Open()
	})
	return err
}

// ReleaseProbe releases the permit of a worker whose job had an outcome that does not depend on the upstream.
func (c *Controller) ReleaseProbe(ctx context.Context, upstream, worker string) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		mine := now.probedBy(worker)
		now.State, now.Probe, now.Until = CircuitOpen, "", job.At(c.now())
		return now, mine
	})
	return err
}

// Reconsider makes a circuit that was opened with the given code due at once, for example because a worker has started with
// other settings. A pause that the upstream requested still holds.
func (c *Controller) Reconsider(ctx context.Context, upstream, code string) error {
	_, _, err := c.editCircuit(ctx, upstream, func(now Circuit) (Circuit, bool) {
		if now.State != CircuitOpen || now.Code != code || (now.Retrial && now.Due(c.now())) {
			return now, false
		}
		at := job.At(c.now())
		if now.NotBefore.After(at.Time) {
			at = now.NotBefore
		}
		if at.Before(now.Until.Time) {
			now.Until = at
		}
		now.Retrial = true
		return now, true
	})
	return err
}

// editCircuit changes the circuit of an upstream by compare-and-set.
func (c *Controller) editCircuit(
	ctx context.Context, upstream string, edit func(Circuit) (Circuit, bool),
) (after Circuit, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := c.editing.Acquire(ctx, 1); err != nil {
		return Circuit{}, false, fmt.Errorf("wait to change circuit: %w", err)
	}
	defer c.editing.Release(1)
	subject := broker.CircuitSubject(upstream)
	e, err := c.circuits.Change(ctx, upstream, func(e *kv.Entry[Circuit]) error {
		now := closedCircuit(upstream)
		if e.Value.Upstream != "" {
			now = e.Value
			c.set(subject, e.Revision, now)
		}
		if after, changed = edit(now); !changed {
			after = now
			return kv.ErrUnchanged
		}
		e.Value = after
		return nil
	})
	if err != nil {
		return Circuit{}, false, err
	}
	if changed {
		c.announce(ctx, subject, e.Revision, after)
	}
	return after, changed, nil
}

// Pause pauses a kind: no job of it is started before until; running ones continue. It replaces an earlier pause.
func (c *Controller) Pause(ctx context.Context, kind job.Kind, until time.Time, note string) (Pause, error) {
	p := Pause{V: job.Version, Kind: kind, Until: job.At(until), Since: job.At(c.now()), Note: note}
	return p, c.putPause(ctx, p)
}

// Resume ends the pause of a kind.
func (c *Controller) Resume(ctx context.Context, kind job.Kind) error {
	now := job.At(c.now())
	return c.putPause(ctx, Pause{V: job.Version, Kind: kind, Until: now, Since: now})
}

func (c *Controller) putPause(ctx context.Context, p Pause) error {
	revision, err := c.pauses.Put(ctx, string(p.Kind), p)
	if err != nil {
		return err
	}
	c.announce(ctx, broker.PauseSubject(p.Kind), revision, p)
	return nil
}

// SetSwitch stores the state of a switch for all processes; an empty value resets it. It returns the states before and
// after. It costs two requests, and two more for each conflict with another process.
func (c *Controller) SetSwitch(ctx context.Context, next Switch) (before, after Switch, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	next.V, next.Since = job.Version, job.At(c.now())
	e, err := c.switches.Change(ctx, string(next.Name), func(e *kv.Entry[Switch]) error {
		before = Switch{Name: next.Name}
		if e.Value.Name == next.Name {
			before = e.Value
		}
		e.Value = next
		return nil
	})
	if err != nil {
		return before, after, err
	}
	c.announce(ctx, broker.SwitchSubject(string(next.Name)), e.Revision, next)
	return before, next, nil
}

// The headers of a notice, whose body is the stored state.
const (
	noticeSubject  = "Control-Subject"
	noticeRevision = "Control-Revision"
)

// announce sets a state that this process has stored in the view and publishes it to the other processes.
func (c *Controller) announce(ctx context.Context, subject string, revision uint64, s state) {
	c.set(subject, revision, s)
	notice := nats.NewMsg(broker.ControlChanged)
	notice.Header.Set(noticeSubject, subject)
	notice.Header.Set(noticeRevision, strconv.FormatUint(revision, 10))
	var err error
	if notice.Data, err = json.Marshal(s); err == nil {
		err = c.nc.PublishMsg(notice)
	}
	if err != nil {
		// The others read it within a second.
		c.log.DebugContext(ctx, "cannot announce the change", "error", err)
	}
}

// receive sets a state that another process has stored in the view.
func (c *Controller) receive(m *nats.Msg) {
	revision, err := strconv.ParseUint(m.Header.Get(noticeRevision), 10, 64)
	if err == nil && revision > 0 {
		c.learn(m.Header.Get(noticeSubject), revision, m.Data)
	}
}
