// Package proxy is a line between two programs that can be disturbed: it delays, holds, cuts, and leaves half-open
// connections behind. It carries bytes and knows no protocol.
package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Weather is what happens to the bytes of every connection. The zero value lets all of them through at once.
type Weather struct {
	// Delay is how much later than they came bytes go on.
	Delay time.Duration
	// HoldRequests and HoldAnswers keep the bytes of one direction until the weather changes. Nobody is told, as when
	// packets are lost, and what was held arrives late.
	HoldRequests, HoldAnswers bool
	// Refuse resets new connections.
	Refuse bool
}

// Proxy forwards connections to one address. It is safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu      sync.Mutex
	weather Weather
	// changed is closed, and made anew, whenever a line may have to look at the weather again.
	changed chan struct{}
	links   map[*link]struct{}
	closed  bool
}

// Listen opens a port on this machine and forwards what arrives there to target, which need not be there yet. Close ends
// it. ctx bounds the opening only.
func Listen(ctx context.Context, target string) (*Proxy, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &Proxy{target: target, listener: listener, changed: make(chan struct{}), links: make(map[*link]struct{})}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the address to connect to instead of the target's.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set changes the weather, for the connections that stand as well. What was held and is no longer goes on at once.
func (p *Proxy) Set(w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = w
	p.wake()
}

// Cut resets every connection at both ends. What was held is lost.
func (p *Proxy) Cut() {
	for _, l := range p.standing() {
		reset(l.client)
		reset(l.server)
		p.change(func() { l.dead = true })
	}
}

// Strand holds what clients send on the connections that stand now, whatever the weather; new connections are not
// concerned.
func (p *Proxy) Strand() *Stranded {
	s := &Stranded{proxy: p, links: p.standing()}
	p.change(func() {
		for _, l := range s.links {
			l.stranded = true
		}
	})
	return s
}

// Close ends every connection and closes the port.
func (p *Proxy) Close() {
	p.change(func() { p.closed = true })
	_ = p.listener.Close()
	p.Cut()
	p.wg.Wait()
}

// Stranded is connections whose clients are no longer heard.
type Stranded struct {
	proxy *Proxy
	links []*link
}

// Abandon resets the clients' ends and keeps the servers': they are half-open.
func (s *Stranded) Abandon() {
	for _, l := range s.links {
		reset(l.client)
	}
}

// Release delivers what was held. Half-open connections are closed behind it.
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
		refuse := p.weather.Refuse || p.closed
		p.mu.Unlock()
		if refuse {
			reset(client)
			continue
		}
		// The dial is in the background so that a target that does not answer keeps nobody else waiting.
		p.wg.Go(func() { p.open(client) })
	}
}

// dialTimeout bounds the wait for the target.
const dialTimeout = 5 * time.Second

func (p *Proxy) open(client net.Conn) {
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
	both.Go(func() { l.carry(client, server, func() bool { return l.stranded || p.weather.HoldRequests }) })
	both.Go(func() { l.carry(server, client, func() bool { return p.weather.HoldAnswers }) })
	both.Wait()
	p.change(func() { delete(p.links, l) })
}

// standing returns the connections that stand now.
func (p *Proxy) standing() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return slices.Clip(links)
}

func (p *Proxy) change(what func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what()
	p.wake()
}

// wake makes every line look at the weather again. The lock is held.
func (p *Proxy) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// reset ends a connection so that the other end notices at once, and without what was still to be sent.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}
