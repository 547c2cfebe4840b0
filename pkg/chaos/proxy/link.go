package proxy

import (
	"net"
	"time"
)

// link is one connection through the proxy. Its flags are guarded by Proxy.mu.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	// stranded holds the requests of this connection.
	stranded bool
	// dead drops all undelivered data.
	dead bool
}

// packet is data and the time it arrived.
type packet struct {
	data []byte
	at   time.Time
}

const (
	packetBytes = 32 << 10
	// inFlight is the maximum number of buffered packets; beyond it the sender blocks.
	inFlight = 256
)

// forward copies one direction until its source ends and all data is delivered, or until its target is closed. It closes
// the target, which ends the other direction.
func (l *link) forward(from, to net.Conn, held func() bool) {
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

// await waits until data that arrived at the given time may be delivered. It returns false if it must be dropped.
func (l *link) await(arrived time.Time, held func() bool) bool {
	p := l.proxy
	for {
		p.mu.Lock()
		dead, hold, rest, changed := l.dead || p.closed, held(), time.Until(arrived.Add(p.faults.Delay)), p.changed
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
