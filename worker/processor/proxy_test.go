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

// outage is a NATS server that can be restarted on its data, behind a proxy that can lose packets.
type outage struct {
	t        *testing.T
	cfg      broker.Config
	owner    *broker.Broker
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	// A packet that contains loseRequest or loseReply is lost, with the rest of its direction; lost is closed then.
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

// up starts the server on its data.
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

// cut closes every connection; new ones are accepted.
func (o *outage) cut() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for c := range o.conns {
		_ = c.Close()
	}
}

// loses drops everything that workers send, starting with the first packet that contains request, or that they receive,
// starting with the first packet that contains reply, until heal. It returns a channel that is closed when that begins.
func (o *outage) loses(request, reply string) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loseRequest, o.loseReply, o.lost = request, reply, make(chan struct{})
	return o.lost
}

// heal closes every connection and stops dropping packets.
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
		o.wg.Go(func() { o.forward(client, server, func() string { return o.loseRequest }) })
		o.wg.Go(func() { o.forward(server, client, func() string { return o.loseReply }) })
	}
}

// forward copies one direction until either end is closed. It drops everything from the first packet with mark on.
func (o *outage) forward(from, to net.Conn, mark func() string) {
	defer func() { _ = from.Close() }()
	defer func() { _ = to.Close() }()
	buf := make([]byte, 64<<10)
	dropping := false
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		o.mu.Lock()
		if text := mark(); text != "" && !dropping && bytes.Contains(buf[:n], []byte(text)) {
			dropping = true
			select {
			case <-o.lost:
			default:
				close(o.lost)
			}
		}
		o.mu.Unlock()
		if dropping {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
