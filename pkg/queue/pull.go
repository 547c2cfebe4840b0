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
	// grace is how much longer than its pull a Puller waits for the server to close it. A job that was on its way when
	// the client had lost patience would be nobody's until it is delivered again; but a cluster forgets the pulls of a
	// leader that died, and for as long as this the slot stands idle, twice.
	grace = 2 * time.Second
	// pollInterval is how often a waiting Puller looks whether its connection still stands.
	pollInterval = 250 * time.Millisecond
)

// Puller takes jobs, one at a time, for one slot of a worker. It is used by one goroutine at a time and keeps one
// subscription for its life.
type Puller struct {
	nc *nats.Conn
	// triggerReconcile is told when a consumer is not there, complete says whether anything is missing.
	triggerReconcile  func()
	complete func() bool
	sub      *nats.Subscription
	inbox    string
	pulls    uint64
	// open counts pulls that the server has not closed as far as is known.
	open int
}

// Puller returns a puller. Close ends it.
func (q *Queue) Puller() (*Puller, error) {
	inbox := q.nc.NewInbox()
	sub, err := q.nc.SubscribeSync(inbox + ".*")
	if err != nil {
		return nil, fmt.Errorf("subscribe for jobs: %w", err)
	}
	return &Puller{nc: q.nc, triggerReconcile: q.triggerReconcile, complete: q.complete, sub: sub, inbox: inbox}, nil
}

// Close ends the puller. A job that arrives from now on comes back by itself.
func (p *Puller) Close() {
	// The connection may be closed already, and the subscription with it.
	_ = p.sub.Unsubscribe()
}

// Take asks a lane for one job and waits at most wait for it, or not at all when wait is 0. It returns nil when there
// was none. A job that was taken must be ended by Ack, Retry or HandBack, or be left to come back by itself.
//
// It fails when the connection is lost or the server refuses, for example because the consumer is gone.
func (p *Puller) Take(l *Lane, wait time.Duration) (*Delivery, error) {
	ask := map[string]any{"batch": 1, "no_wait": true}
	if wait > 0 {
		ask = map[string]any{"batch": 1, "expires": wait.Nanoseconds()}
	}
	req, err := json.Marshal(ask)
	if err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	if !p.nc.IsConnected() {
		// The client would keep the request and send it later, when nobody waits for its answer.
		return nil, fmt.Errorf("ask for a job: %w", nats.ErrConnectionReconnecting)
	}
	if !p.complete() {
		// A job that is taken now could not be begun.
		return nil, fmt.Errorf("ask for a job: %w", broker.ErrIncomplete)
	}
	p.pulls++
	reply := p.inbox + "." + strconv.FormatUint(p.pulls, 10)
	reconnects := p.nc.Stats().Reconnects
	if err := p.nc.PublishRequest(l.subject, reply, req); err != nil {
		return nil, fmt.Errorf("ask for a job: %w", err)
	}
	p.open++
	for deadline := time.Now().Add(wait + grace); time.Now().Before(deadline); {
		msg, err := p.sub.NextMsg(pollInterval)
		switch {
		case errors.Is(err, nats.ErrTimeout):
			if !p.nc.IsConnected() || p.nc.Stats().Reconnects != reconnects {
				// The server has forgotten the pull.
				p.open = 0
				return nil, fmt.Errorf("ask for a job: %w", nats.ErrConnectionReconnecting)
			}
			continue
		case errors.Is(err, nats.ErrNoResponders):
			p.triggerReconcile()
			p.open = max(0, p.open-1)
			return nil, fmt.Errorf("ask for a job: %w", err)
		case err != nil:
			return nil, fmt.Errorf("ask for a job: %w", err)
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
	return nil, errors.New("ask for a job: the server did not answer")
}

// The statuses with which the server closes a pull, or keeps it alive.
const (
	statusHeartbeat    = "100"
	statusNoMessages     = "404"
	statusTimeout  = "408"
	statusHeader   = "Status"
	describeHeader = "Description"
)

func statusOf(msg *nats.Msg) (string, bool) {
	if len(msg.Data) > 0 || msg.Header == nil {
		return "", false
	}
	status := msg.Header.Get(statusHeader)
	return status, status != ""
}

// handleStatus takes note of a status. It reports true when the pull with the given reply has ended without a job.
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
	return false, fmt.Errorf("ask for a job: status %s, %s", status, msg.Header.Get(describeHeader))
}

// drain waits for pulls of before that were given up, so that no job arrives while the slot is busy. It has something
// to do only after the server has kept silent for longer than grace.
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
