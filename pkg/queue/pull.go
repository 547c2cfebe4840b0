package queue

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

const (
	// grace is how long after its expiry a pull may remain unanswered before it is given up: a cluster loses the pulls of a
	// leader that died.
	grace = 2 * time.Second
	// pollInterval is how often Pull checks its pull.
	pollInterval = 250 * time.Millisecond
	// maxArrived is how many messages may wait for Receive. The client drops further ones, whose jobs are then idle until
	// their leases end. It is more than the jobs and statuses of all open pulls of one worker.
	maxArrived = 2048
)

// Message is what the server sends to a Puller.
type Message = nats.Msg

// Puller pulls jobs for the free slots of a worker, over one subscription. It must be used by one goroutine at a time.
type Puller struct {
	nc *nats.Conn
	// triggerReconcile is called when a consumer is missing; complete reports whether nothing is known to be missing.
	triggerReconcile func()
	complete         func() bool
	sub              *nats.Subscription
	arrived          chan *nats.Msg
	inbox            string
	sent             uint64
	// pulls has the open pulls, at most one per lane.
	pulls []*Pull
}

// Pull is a request for jobs of one lane. It is open until it has brought all of them, or the server or the client ends it.
type Pull struct {
	Lane *Lane
	// Wait is 0 if the server ends the pull as soon as it has no job.
	Wait time.Duration
	Sent time.Time
	// Left is how many jobs it may still bring.
	Left int

	reply      string
	reconnects uint64
}

// Puller returns a new puller. The caller must close it.
func (q *Queue) Puller() (*Puller, error) {
	p := &Puller{
		nc: q.nc, triggerReconcile: q.triggerReconcile, complete: q.complete, inbox: q.nc.NewInbox(), arrived: make(chan *nats.Msg, maxArrived),
	}
	sub, err := q.nc.ChanSubscribe(p.inbox+".*", p.arrived)
	if err != nil {
		return nil, fmt.Errorf("subscribe for jobs: %w", err)
	}
	p.sub = sub
	return p, nil
}

// Close closes the puller. A job that arrives later is redelivered when its lease ends.
func (p *Puller) Close() {
	// The connection may be closed already, and the subscription with it.
	_ = p.sub.Unsubscribe()
}

// Drain ends the open pulls. The returned channel is closed when no further message will arrive; what has arrived must still be
// passed to Receive, and then Lost returns the pulls. It returns nil if the connection is lost, and costs two messages to the server and
// one from it.
//
// It is for a process that contains the server and submits no more jobs. That server notices when it sends a job that nobody receives
// any more, and keeps it in the queue, but counts the delivery (didNotDeliver in consumer.go of nats-server 2.15.2). In a cluster the
// job would be idle until its lease ended.
func (p *Puller) Drain() <-chan struct{} {
	if !p.nc.IsConnected() {
		return nil
	}
	drained := make(chan struct{})
	closed := sync.OnceFunc(func() { close(drained) }) // Close may end the subscription a second time.
	p.sub.SetClosedHandler(func(string) { closed() })
	if err := p.sub.Drain(); err != nil {
		return nil // The connection is closed, so Lost returns the pulls.
	}
	return drained
}

// Open returns how many jobs the open pulls may still bring.
func (p *Puller) Open() int {
	n := 0
	for _, pull := range p.pulls {
		n += pull.Left
	}
	return n
}

// Request sends a pull for up to n jobs of a lane that has none open. It stays open for wait, or only for the jobs that are
// in the queue now if wait is 0. It fails when the connection is lost. It costs one message to the server, and one from it
// for each job and if the pull ends without all of them.
func (p *Puller) Request(l *Lane, n int, wait time.Duration) (*Pull, error) {
	if !p.nc.IsConnected() {
		// The client would buffer the request and send it later, when no one waits for the answer.
		return nil, fmt.Errorf("pull jobs: %w", nats.ErrConnectionReconnecting)
	}
	if !p.complete() {
		// A job pulled now could not be started.
		return nil, fmt.Errorf("pull jobs: %w", broker.ErrIncomplete)
	}
	p.sent++
	pull := &Pull{
		Lane: l, Wait: wait, Sent: time.Now(), Left: n,
		reply: p.inbox + "." + strconv.FormatUint(p.sent, 10), reconnects: p.nc.Stats().Reconnects,
	}
	limit := `"no_wait":true`
	if wait > 0 {
		limit = `"expires":` + strconv.FormatInt(wait.Nanoseconds(), 10)
	}
	if err := p.nc.PublishRequest(l.subject, pull.reply, []byte(`{"batch":`+strconv.Itoa(n)+`,`+limit+`}`)); err != nil {
		return nil, fmt.Errorf("pull jobs: %w", err)
	}
	p.pulls = append(p.pulls, pull)
	return pull, nil
}

// Arrived has the messages from the server, each of which must be passed to Receive.
func (p *Puller) Arrived() <-chan *Message { return p.arrived }

// Receive returns the job in a message, or nil if it ends a pull or says nothing. The pull is the one that brought the job or
// has ended, and nil if it is not open any more, so that nobody may wait for the job. The error says why a pull has failed,
// for example because the consumer is missing.
//
// The caller must end the delivery with Ack, NakWithDelay or Nak; otherwise the job is redelivered when its lease ends.
func (p *Puller) Receive(m *Message) (*Pull, *Delivery, error) {
	if status, ok := statusOf(m); ok {
		i := slices.IndexFunc(p.pulls, func(pull *Pull) bool { return pull.reply == m.Subject })
		if i < 0 || status == statusHeartbeat {
			return nil, nil, nil
		}
		pull := p.pulls[i]
		p.pulls = slices.Delete(p.pulls, i, i+1)
		switch status {
		case statusNoMessages, statusTimeout:
			return pull, nil, nil
		case statusNoResponders:
			p.triggerReconcile()
			return pull, nil, fmt.Errorf("pull jobs: %w", nats.ErrNoResponders)
		}
		return pull, nil, fmt.Errorf("pull jobs: status %s, %s", status, m.Header.Get(describeHeader))
	}
	d, consumer, err := newDelivery(p.nc, m)
	if err != nil {
		return nil, nil, err
	}
	// The subject is that of the job, so it does not show which pull the job is for.
	i := slices.IndexFunc(p.pulls, func(pull *Pull) bool { return pull.Lane.consumer == consumer })
	if i < 0 {
		return nil, d, nil
	}
	pull := p.pulls[i]
	if d.Kind == "" {
		d.Kind, d.Lane = pull.Lane.Kind, pull.Lane.Name
	}
	if pull.Left--; pull.Left == 0 {
		p.pulls = slices.Delete(p.pulls, i, i+1)
	}
	return pull, d, nil
}

// Lost gives up a pull that the server has dropped or should have ended long ago, and returns it with the reason; nil if there
// is none. A job may arrive for it later. A pull that Drain has ended is returned without a reason, once all messages have been received.
func (p *Puller) Lost() (*Pull, error) {
	if len(p.pulls) == 0 {
		return nil, nil
	}
	if p.nc.IsConnected() && !p.sub.IsValid() && len(p.arrived) == 0 {
		pull := p.pulls[0]
		p.pulls = slices.Delete(p.pulls, 0, 1)
		return pull, nil
	}
	connected, reconnects, now := p.nc.IsConnected(), p.nc.Stats().Reconnects, time.Now()
	for i, pull := range p.pulls {
		err := errors.New("pull jobs: the server did not answer")
		if !connected || pull.reconnects != reconnects {
			err = fmt.Errorf("pull jobs: %w", nats.ErrConnectionReconnecting)
		} else if now.Before(pull.Sent.Add(pull.Wait + grace)) {
			continue
		}
		p.pulls = slices.Delete(p.pulls, i, i+1)
		return pull, err
	}
	return nil, nil
}

// Pull pulls one job from a lane, waiting at most wait for it, or not at all if wait is 0. It returns nil when there was none.
// It is for callers that have no other pulls open.
func (p *Puller) Pull(l *Lane, wait time.Duration) (*Delivery, error) {
	if _, err := p.Request(l, 1, wait); err != nil {
		return nil, err
	}
	check := time.NewTicker(pollInterval)
	defer check.Stop()
	for {
		var pull *Pull
		var d *Delivery
		var err error
		select {
		case m := <-p.arrived:
			pull, d, err = p.Receive(m)
		case <-check.C:
			pull, err = p.Lost()
		}
		if d != nil || pull != nil || err != nil {
			d.Decode()
			return d, err
		}
	}
}

// The status codes with which the server ends a pull or keeps it alive.
const (
	statusHeartbeat    = "100"
	statusNoMessages   = "404"
	statusTimeout      = "408"
	statusNoResponders = "503"
	statusHeader       = "Status"
	describeHeader     = "Description"
)

func statusOf(msg *nats.Msg) (string, bool) {
	if len(msg.Data) > 0 || msg.Header == nil {
		return "", false
	}
	status := msg.Header.Get(statusHeader)
	return status, status != ""
}

// newDelivery returns the delivery of a job and the consumer that delivered it.
func newDelivery(nc *nats.Conn, msg *nats.Msg) (*Delivery, string, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, "", fmt.Errorf("read delivery: %w", err)
	}
	kind, lane, owner, id, _ := broker.ParseJobSubject(msg.Subject)
	return &Delivery{
		Kind: kind, Lane: lane, Owner: owner, ID: id, Count: meta.NumDelivered, Sequence: meta.Sequence.Stream,
		QueuedAt: meta.Timestamp, Pending: meta.NumPending, Header: msg.Header, data: msg.Data, reply: msg.Reply, nc: nc,
	}, meta.Consumer, nil
}
