package processor_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// outage is a NATS that workers reach through a line which a test can disturb, and which can be restarted on its data.
type outage struct {
	t        *testing.T
	cfg      broker.Config
	owner    *broker.Broker
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	// lose is what swallows the rest of a direction once it was seen there; lost is closed when that happens.
	loseRequest, loseReply string
	lost                   chan struct{}
}

func newOutage(t *testing.T, options ...func(*broker.Config)) *outage {
	t.Helper()
	o := &outage{t: t, cfg: brokertest.Config(t), conns: make(map[net.Conn]struct{})}
	withPort(&o.cfg)
	for _, option := range options {
		option(&o.cfg)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.listener = listener
	o.up()
	o.wg.Go(o.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		o.cut()
		o.wg.Wait()
		o.down()
	})
	return o
}

func (o *outage) url() string { return "nats://" + o.listener.Addr().String() }

// up starts the server on its data, down stops it.
func (o *outage) up() {
	b, err := broker.Open(context.WithoutCancel(o.t.Context()), o.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		o.t.Errorf("start NATS: %v", err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owner = b
}

func (o *outage) down() {
	o.mu.Lock()
	b := o.owner
	o.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(o.t.Context()), processortest.Timeout)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		o.t.Errorf("stop NATS: %v", err)
	}
}

// cut breaks every connection; the line takes new ones.
func (o *outage) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		_ = c.Close()
	}
}

// loses swallows all that workers send from the first packet that holds request on, or all that they are sent from the
// first packet that holds reply on, until heal. The returned channel is closed when that begins.
func (o *outage) loses(request, reply string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loseRequest, o.loseReply, o.lost = request, reply, make(chan struct{})
	return o.lost
}

// heal cuts what was disturbed and lets everything through again.
func (o *outage) heal() {
	o.mu.Lock()
	o.loseRequest, o.loseReply = "", ""
	o.mu.Unlock()
	o.cut()
}

func (o *outage) accept() {
	for {
		client, err := o.listener.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		target := o.owner.ClientURL()
		o.mu.Unlock()
		server, err := new(net.Dialer).DialContext(context.WithoutCancel(o.t.Context()), "tcp", strings.TrimPrefix(target, "nats://"))
		if err != nil {
			_ = client.Close()
			continue
		}
		o.mu.Lock()
		o.conns[client], o.conns[server] = struct{}{}, struct{}{}
		o.mu.Unlock()
		o.wg.Go(func() { o.carry(client, server, func() string { return o.loseRequest }) })
		o.wg.Go(func() { o.carry(server, client, func() string { return o.loseReply }) })
	}
}

// carry copies one direction until either end is closed.
func (o *outage) carry(from, to net.Conn, what func() string) {
	defer func() { _ = from.Close() }()
	defer func() { _ = to.Close() }()
	buf := make([]byte, 64<<10)
	swallowed := false
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		o.mu.Lock()
		if mark := what(); mark != "" && !swallowed && bytes.Contains(buf[:n], []byte(mark)) {
			swallowed = true
			select {
			case <-o.lost:
			default:
				close(o.lost)
			}
		}
		o.mu.Unlock()
		if swallowed {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
