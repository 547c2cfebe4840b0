// Package proxy is a TCP proxy that injects network faults: it delays or holds data, resets connections and leaves
// half-open ones. It forwards bytes and knows no protocol.
package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Faults describes the faults of all connections. The zero value has none.
type Faults struct {
	// Delay is the latency added in each direction.
	Delay time.Duration
	// HoldRequests and HoldResponses hold the data of one direction until they are unset. As with lost packets, no
	// end notices, and the data arrives late.
	HoldRequests, HoldResponses bool
	// Refuse resets new connections.
	Refuse bool
}

// Proxy forwards connections to one address. It is safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	faults Faults
	// changed is closed and replaced whenever connections must check the state again.
	changed chan struct{}
	links   map[*link]struct{}
	closed  bool
}

// Listen listens on a loopback port and forwards connections to target, which need not listen yet. ctx applies only to
// opening the port; Close stops the proxy.
func Listen(ctx context.Context, target string) (*Proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{target: target, listener: listener, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the address of the proxy.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes the faults, also of existing connections. Data that is no longer held is delivered at once.
func (p *Proxy) Set(w Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = w
	p.wake()
}

// Cut resets every connection at both ends. Held data is lost.
func (p *Proxy) Cut() {
	for _, l := range p.current() {
		reset(l.client)
		reset(l.server)
		p.change(func() { l.dead = true })
	}
}

// Strand holds what clients send on the existing connections, independently of Set. New connections are not affected.
func (p *Proxy) Strand() *Stranded {
	s := &Stranded{proxy: p, links: p.current()}
	p.change(func() {
		for _, l := range s.links {
			l.stranded = true
		}
	})
	return s
}

// Close resets every connection and closes the port.
func (p *Proxy) Close() {
	p.change(func() { p.closed = true })
	_ = p.listener.Close()
	p.Cut()
	p.wg.Wait()
}

// Stranded is a set of connections whose requests are held.
type Stranded struct {
	proxy *Proxy
	links []*link
}

// Abandon resets the connections to the clients and keeps those to the target, which are then half-open.
func (s *Stranded) Abandon() {
	for _, l := range s.links {
		reset(l.client)
	}
}

// Release delivers the held data and then closes half-open connections.
func (s *Stranded) Release() {
	s.proxy.change(func() {
		for _, l := range s.links {
			l.stranded = false
		}
	})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		refuse := p.faults.Refuse || p.closed
		p.mu.Unlock()
		if refuse {
			reset(client)
			continue
		}
		// Dial in the background, so that a target that does not respond does not block other connections.
		p.wg.Go(func() { p.connect(client) })
	}
}

// dialTimeout bounds connecting to the target.
const dialTimeout = 5 * time.Second

func (p *Proxy) connect(client net.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	l := &link{proxy: p, client: client, server: server}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		reset(client)
		reset(server)
		return
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.forward(client, server, func() bool { return l.stranded || p.faults.HoldRequests }) })
	both.Go(func() { l.forward(server, client, func() bool { return p.faults.HoldResponses }) })
	both.Wait()
	p.change(func() { delete(p.links, l) })
}

// current returns the existing connections.
func (p *Proxy) current() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return slices.Clip(links)
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.wake()
}

// wake makes all connections check the state again. The caller holds mu.
func (p *Proxy) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// reset closes a connection with a TCP reset, which discards unsent data.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
