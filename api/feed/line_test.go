package feed_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// line is the way to a NATS server, which a test can break and mend.
type line struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu     sync.Mutex
	broken bool
	// held is closed when what is in flight may go on.
	held  chan struct{}
	conns []net.Conn
}

// apart starts a feed whose NATS is at the other end of a line, and the hands that write on this end.
func apart(t *testing.T, cfg feed.Config) (far *rig, near *rig, l *line) {
	t.Helper()
	b := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	l = &line{listener: listener, target: b.ClientURL()[len("nats://"):], held: make(chan struct{})}
	close(l.held)
	l.wg.Go(l.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		l.release()
		l.cut()
		l.wg.Wait()
	})
	away := brokertest.Start(t, func(c *broker.Config) {
		c.URL, c.Follower = env.Secret("nats://"+listener.Addr().String()), true
	})
	return on(t, away, cfg), on(t, b, still), l
}

func (l *line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, client, server)
		broken := l.broken
		l.mu.Unlock()
		if broken {
			_, _ = client.Close(), server.Close()
			continue
		}
		l.wg.Go(func() { l.carry(client, server) })
		l.wg.Go(func() { l.carry(server, client) })
	}
}

func (l *line) carry(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		l.mu.Lock()
		held := l.held
		l.mu.Unlock()
		<-held
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut breaks every connection and takes no new one until mend.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = true
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
}

// hold lets nothing through until release, while the connections stand.
func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make(chan struct{})
}

func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.held:
	default:
		close(l.held)
	}
}
