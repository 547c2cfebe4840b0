package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// grace is how long after its expiry a Puller waits for the server to close a pull. A job that arrives when the client no
	// longer waits is idle until it is redelivered; but a cluster loses the pulls of a leader that died, and the slot is then
	// idle for twice this time.
	grace = 2 * time.Second
	// pollInterval is how often a waiting Puller checks its connection.
	pollInterval = 250 * time.Millisecond
)

// Puller pulls jobs, one at a time, for one slot of a worker. It keeps one subscription until it is closed, and must be used by
// one goroutine at a time.
type Puller struct {
	nc *nats.Conn
	// triggerReconcile is called when a consumer is missing; complete reports whether nothing is known to be missing.
	triggerReconcile func()
	complete         func() bool
	sub              *nats.Subscription
	inbox            string
	pulls            uint64
	// open counts the pulls that the server has not closed, as far as the client knows.
	open int
}

// Puller returns a new puller. The caller must close it.
func (q *Queue) Puller() (*Puller, error) {
	inbox := q.nc.NewInbox()
	sub, err := q.nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return nil, fmt.Errorf("subscribe for jobs: %w", err)
	}
	return &Puller{nc: q.nc, triggerReconcile: q.triggerReconcile, complete: q.complete, sub: sub, inbox: inbox}, nil
}

// Close closes the puller. A job that arrives later is redelivered when its lease ends.
func (p *Puller) Close() {
	// The connection may be closed already, and the subscription with it.
	_ = p.sub.Unsubscribe()
}

// Pull pulls one job from a lane, waiting at most wait for it, or not at all if wait is 0. It returns nil when there was none.
// The caller must end the delivery with Ack, NakWithDelay or Nak; otherwise the job is redelivered when its lease ends.
//
// It fails when the connection is lost or the server refuses, for example because the consumer is missing.
func (p *Puller) Pull(l *Lane, wait time.Duration) (*Delivery, error) {
	pull := map[string]any{"batch": 1, "no_wait": true}
	if wait > 0 {
		pull = map[string]any{"batch": 1, "expires": wait.Nanoseconds()}
	}
	req, err := json.Marshal(pull)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if !p.nc.IsConnected() {
		// The client would buffer the request and send it later, when no one waits for the answer.
		return nil, fmt.Errorf("pull job: %w", nats.ErrConnectionReconnecting)
	}
	if !p.complete() {
		// A job pulled now could not be started.
		return nil, fmt.Errorf("pull job: %w", broker.ErrIncomplete)
	}
	p.pulls++
	reply := p.inbox + "." + strconv.FormatUint(p.pulls, 10)
	reconnects := p.nc.Stats().Reconnects
	if err := p.nc.PublishRequest(l.subject, reply, req); err != nil {
		return nil, fmt.Errorf("pull job: %w", err)
	}
	p.open++
	for deadline := time.Now().Add(wait + grace); time.Now().Before(deadline); {
		msg, err := p.sub.NextMsg(pollInterval)
		switch {
		case errors.Is(err, nats.ErrTimeout):
			if !p.nc.IsConnected() || p.nc.Stats().Reconnects != reconnects {
				// The server has dropped the pull.
				p.open = 0
				return nil, fmt.Errorf("pull job: %w", nats.ErrConnectionReconnecting)
			}
			continue
		case errors.Is(err, nats.ErrNoResponders):
			p.triggerReconcile()
			p.open = max(0, p.open-1)
			return nil, fmt.Errorf("pull job: %w", err)
		case err != nil:
			return nil, fmt.Errorf("pull job: %w", err)
		}
		if status, ok := statusOf(msg); ok {
			done, err := p.handleStatus(status, msg, reply)
			if done || err != nil {
				return nil, err
			}
			continue
		}
		p.open--
		d, err := newDelivery(p.nc, l, msg)
		if err != nil {
			return nil, err
		}
		p.drain()
		return d, nil
	}
	return nil, errors.New("pull job: the server did not answer")
}

// The status codes with which the server ends a pull or keeps it alive.
const (
	statusHeartbeat  = "100"
	statusNoMessages = "404"
	statusTimeout    = "408"
	statusHeader     = "Status"
	describeHeader   = "Description"
)

func statusOf(msg *nats.Msg) (string, bool) {
	if len(msg.Data) > 0 || msg.Header == nil {
		return "", false
	}
	status := msg.Header.Get(statusHeader)
	return status, status != ""
}

// handleStatus handles a status message. It reports whether the pull with the given reply subject has ended without a job.
func (p *Puller) handleStatus(status string, msg *nats.Msg, reply string) (bool, error) {
	if status == statusHeartbeat {
		return false, nil
	}
	p.open = max(0, p.open-1)
	if msg.Subject != reply {
		return false, nil
	}
	switch status {
	case statusNoMessages, statusTimeout:
		return true, nil
	}
	return false, fmt.Errorf("pull job: status %s, %s", status, msg.Header.Get(describeHeader))
}

// drain waits for earlier pulls that were abandoned, so that no job arrives while the slot is busy. There are such pulls only if
// the server did not answer for longer than grace.
func (p *Puller) drain() {
	for deadline := time.Now().Add(grace); p.open > 0 && time.Now().Before(deadline); {
		msg, err := p.sub.NextMsg(pollInterval)
		if err != nil {
			if !errors.Is(err, nats.ErrTimeout) || !p.nc.IsConnected() {
				break
			}
			continue
		}
		if status, ok := statusOf(msg); ok && status == statusHeartbeat {
			continue
		} else if !ok {
			_ = p.nc.Publish(msg.Reply, []byte(payloadNak))
		}
		p.open--
	}
	p.open = 0
}

func newDelivery(nc *nats.Conn, l *Lane, msg *nats.Msg) (*Delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	kind, lane, owner, id, _ := broker.ParseJobSubject(msg.Subject)
	if kind == "" {
		kind, lane = l.Kind, l.Name
	}
	d := &Delivery{
		Kind: kind, Lane: lane, Owner: owner, ID: id, Count: meta.NumDelivered, Sequence: meta.Sequence.Stream,
		QueuedAt: meta.Timestamp, Header: msg.Header, reply: msg.Reply, nc: nc,
	}
	d.Spec, d.Fault = job.DecodeSpec(msg.Data)
	return d, nil
}
