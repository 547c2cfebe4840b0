package proxy

import (
	"net"
	"time"
)

// link is one connection through the proxy. Its flags are guarded by the proxy's lock.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	// stranded holds the requests of this connection alone.
	stranded bool
	// dead says that nothing is to be delivered any more.
	dead bool
}

// packet is bytes and when they came.
type packet struct {
	data []byte
	at   time.Time
}

const (
	packetBytes = 32 << 10
	// inFlight is how many packets may be under way; beyond it the sender's own buffers fill.
	inFlight = 256
)

// carry copies one direction until its source ends and all that came is delivered, or until its target is gone. It
// closes the target, which ends the other direction.
func (l *link) carry(from, to net.Conn, held func() bool) {
	packets := make(chan packet, inFlight)
	gone := make(chan struct{})
	l.proxy.wg.Go(func() {
		defer close(packets)
		for {
			buf := make([]byte, packetBytes)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case packets <- packet{buf[:n], time.Now()}:
				case <-gone:
				}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range packets {
		if !l.await(p.at, held) {
			break
		}
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	close(gone)
	_ = to.Close()
}

// await returns when bytes that came at a moment may go on, and false when they never may.
func (l *link) await(came time.Time, held func() bool) bool {
	p := l.proxy
	for {
		p.mu.Lock()
		dead, hold, rest, changed := l.dead || p.closed, held(), time.Until(came.Add(p.weather.Delay)), p.changed
		p.mu.Unlock()
		switch {
		case dead:
			return false
		case !hold && rest <= 0:
			return true
		}
		var due <-chan time.Time
		if !hold {
			due = time.After(rest)
		}
		select {
		case <-due:
		case <-changed:
		}
	}
}
