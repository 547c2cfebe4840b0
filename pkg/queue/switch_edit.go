package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// OnSwitch has f called with the switches that override the environment: during Start, and then by the background work within
// a second of each change, also when the time of one is over. It must be called before Start.
func (c *Control) OnSwitch(f func(map[SwitchName]Switch)) { c.onSwitch = f }

// applySwitches calls onSwitch when other switches are in force than at its last call.
func (c *Control) applySwitches() {
	if c.onSwitch == nil {
		return
	}
	set := c.View().InForce(c.now())
	if c.switches != nil && maps.Equal(set, c.switches) {
		return
	}
	c.switches = set
	c.onSwitch(set)
}

// SetSwitch stores the state of a switch for all processes; an empty value resets it. It returns the states before and after,
// and costs two requests, and two more for each time that somebody else was faster.
func (c *Control) SetSwitch(ctx context.Context, next Switch) (before, after Switch, err error) {
	ctx, cancel := context.WithTimeout(ctx, controlTimeout)
	defer cancel()
	next.V, next.Since = job.Version, job.At(c.now())
	data, err := encodeControl(next)
	if err != nil {
		return before, after, err
	}
	subject := broker.SwitchSubject(string(next.Name))
	for range maxEdits {
		before = Switch{Name: next.Name}
		var revision uint64
		msg, err := broker.LeaderLast(ctx, c.queue.js, broker.ControlStream, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
		case err != nil:
			return before, after, fmt.Errorf("read switch: %w", err)
		default:
			revision = msg.Sequence
			if known, ok := decodeSwitch(msg.Data, subject); ok {
				before = known
			}
		}
		ack, err := c.queue.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(revision))
		if broker.Conflict(err) {
			continue
		}
		if err != nil {
			return before, after, fmt.Errorf("store switch: %w", err)
		}
		c.published(ctx, data, subject, ack.Sequence)
		return before, next, nil
	}
	return before, after, fmt.Errorf("store switch: %w", errContended)
}
