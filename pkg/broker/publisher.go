package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// absentTries is how often a publish is sent again while no stream listens to its subject, and absentPause the pause before. They are
	// those of jetstream.JetStream.Publish.
	absentTries = 2
	absentPause = 250 * time.Millisecond

	// replyBase is the base of the number at the end of a reply subject.
	replyBase = 36
)

var errInvalidAck = errors.New("the acknowledgement of a publish cannot be decoded")

// publisher publishes messages to streams, and matches the acknowledgements to them. It does what jetstream.JetStream.PublishMsgAsync
// does, which every step of every job needs, with a third of its allocations: no timer for each message, and no JSON decoder for
// the usual acknowledgement.
type publisher struct {
	nc *nats.Conn
	// inbox is the beginning of the reply subjects.
	inbox string

	mu      sync.Mutex
	last    uint64
	pending map[uint64]*Sent
}

// newPublisher returns the publisher of a connection, which ends when closed is closed.
func newPublisher(nc *nats.Conn, closed <-chan struct{}) (*publisher, error) {
	p := &publisher{nc: nc, inbox: nc.NewInbox() + ".", pending: make(map[uint64]*Sent)}
	replies, err := nc.Subscribe(p.inbox+"*", p.receive)
	if err == nil {
		// There are only as many as publishes.
		err = replies.SetPendingLimits(-1, -1)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to acknowledgements: %w", err)
	}
	lost := nc.StatusChanged(nats.RECONNECTING)
	go func() {
		for {
			select {
			case <-lost:
				p.failAll(nats.ErrDisconnected)
			case <-closed:
				p.failAll(nats.ErrConnectionClosed)
				return
			}
		}
	}()
	return p, nil
}

// publish publishes msg for s, which ends with the acknowledgement, or with the connection. The caller may publish the same message
// again.
func (p *publisher) publish(s *Sent, msg *nats.Msg) error {
	s.done = make(chan struct{})
	s.msg = &nats.Msg{Subject: msg.Subject, Data: msg.Data, Header: msg.Header}
	p.mu.Lock()
	p.last++
	s.id = p.last
	var reply [64]byte
	s.msg.Reply = string(strconv.AppendUint(append(reply[:0], p.inbox...), s.id, replyBase))
	p.pending[s.id] = s
	p.mu.Unlock()
	if err := p.nc.PublishMsg(s.msg); err != nil {
		p.take(s.id)
		return err
	}
	return nil
}

// take removes and returns a message that waits for its acknowledgement; nil if it does no longer.
func (p *publisher) take(id uint64) *Sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.pending[id]
	delete(p.pending, id)
	return s
}

// receive handles a reply.
func (p *publisher) receive(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[len(p.inbox):], replyBase, 64)
	if err != nil {
		return
	}
	absent := len(m.Data) == 0 && m.Header.Get("Status") == "503"
	if absent && p.again(id) {
		return
	}
	s := p.take(id)
	switch {
	case s == nil:
		return
	case absent:
		s.err = jetstream.ErrNoStreamResponse
	default:
		s.ack, s.err = decodeAck(m.Data)
	}
	close(s.done)
}

// again sends a message again to which no stream listens, after a pause. It reports false after the last time.
func (p *publisher) again(id uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.pending[id]
	if s == nil || s.absent == absentTries {
		return false
	}
	s.absent++
	time.AfterFunc(absentPause, func() {
		err := p.nc.PublishMsg(s.msg)
		if err != nil && p.take(id) != nil {
			s.err = err
			close(s.done)
		}
	})
	return true
}

// failAll fails all messages that wait.
func (p *publisher) failAll(err error) {
	p.mu.Lock()
	pending := p.pending
	p.pending = make(map[uint64]*Sent)
	p.mu.Unlock()
	for _, s := range pending {
		s.err = err
		close(s.done)
	}
}

// decodeAck decodes an acknowledgement. It fails with a *jetstream.APIError if NATS refuses the message.
func decodeAck(data []byte) (jetstream.PubAck, error) {
	if ack, ok := plainAck(data); ok {
		return ack, nil
	}
	var reply struct {
		Error *jetstream.APIError `json:"error"`
		jetstream.PubAck
	}
	err := json.Unmarshal(data, &reply)
	switch {
	case err != nil:
		return jetstream.PubAck{}, fmt.Errorf("%w: %w", errInvalidAck, err)
	case reply.Error != nil:
		return jetstream.PubAck{}, reply.Error
	case reply.Stream == "":
		return jetstream.PubAck{}, fmt.Errorf("%w: it names no stream", errInvalidAck)
	}
	return reply.PubAck, nil
}

// plainAck decodes an acknowledgement that has only the stream and the sequence, as nats-server writes it.
func plainAck(data []byte) (jetstream.PubAck, bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok {
		return jetstream.PubAck{}, false
	}
	stream, rest, found := bytes.Cut(rest, []byte(`","seq":`))
	digits, ended := bytes.CutSuffix(rest, []byte("}"))
	if !found || !ended || len(stream) == 0 || bytes.ContainsAny(stream, `"\`) {
		return jetstream.PubAck{}, false
	}
	sequence, err := strconv.ParseUint(string(digits), 10, 64)
	return jetstream.PubAck{Stream: string(stream), Sequence: sequence}, err == nil
}
