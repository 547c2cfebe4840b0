package app

import (
	"net"
	"sync"
	"sync/atomic"
)

// gracefulListener resets no connections when it is closed. The kernel resets connections that are still in the accept queue
// when a port is closed. Their clients may have sent a request, and a proxy must not repeat a POST that may have arrived,
// so Close accepts the queued connections first.
type gracefulListener struct {
	*net.TCPListener
	closing atomic.Bool
	once    sync.Once
	err     error
	// late holds the connections that Close has accepted.
	late chan net.Conn
}

// newGracefulListener returns a graceful listener for TCP, and other listeners as they are.
func newGracefulListener(l net.Listener) net.Listener {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return l
	}
	return &gracefulListener{TCPListener: tcp, late: make(chan net.Conn, maxLate)}
}

// maxLate bounds how many connections Close accepts, as the kernel bounds its queue.
const maxLate = 4096

// Accept returns the next connection. After Close it returns the connections that Close has accepted, then net.ErrClosed.
func (l *gracefulListener) Accept() (net.Conn, error) {
	c, err := l.TCPListener.Accept()
	if err == nil || !l.closing.Load() {
		return c, err
	}
	if c, ok := <-l.late; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close closes the port. The caller must call Accept until it fails.
func (l *gracefulListener) Close() error {
	l.once.Do(func() {
		l.closing.Store(true)
		acceptQueued(l.TCPListener, l.late)
		close(l.late)
		l.err = l.TCPListener.Close()
	})
	return l.err
}
