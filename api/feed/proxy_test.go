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

// proxy is a TCP proxy to a NATS server whose connections a test can cut and pause.
type proxy struct {
	listener net.Listener
	target   string
	wg       sync.WaitGroup

	mu     sync.Mutex
	broken bool
	// resumed is closed unless the proxy is paused.
	resumed chan struct{}
	conns   []net.Conn
}

// startRemote starts far, a feed connected through a proxy, and near, a feed connected directly.
func startRemote(t *testing.T, cfg feed.Config) (far *rig, near *rig, p *proxy) {
	t.Helper()
	b := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	p = &proxy{listener: listener, target: b.ClientURL()[len("nats://"):], resumed: make(chan struct{})}
	close(p.resumed)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.resume()
		p.cut()
		p.wg.Wait()
	})
	away := brokertest.Start(t, func(c *broker.Config) {
		c.URL, c.Follower = env.Secret("nats://"+listener.Addr().String()), true
	})
	return startOn(t, away, cfg), startOn(t, b, noRereads), p
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		broken := p.broken
		p.mu.Unlock()
		if broken {
			_, _ = client.Close(), server.Close()
			continue
		}
		p.wg.Go(func() { p.copy(client, server) })
		p.wg.Go(func() { p.copy(server, client) })
	}
}

func (p *proxy) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		held := p.resumed
		p.mu.Unlock()
		<-held
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut closes every connection and refuses new ones until restore.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

func (p *proxy) restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = false
}

// pause stops forwarding until resume and keeps the connections open.
func (p *proxy) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resumed = make(chan struct{})
}

func (p *proxy) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.resumed:
	default:
		close(p.resumed)
	}
}
