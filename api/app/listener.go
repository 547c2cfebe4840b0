package app

import (
	"net"
	"sync"
	"sync/atomic"
)

// gracefulListener resets no connection when it is closed. A client may have connected and sent its request before the
// program has accepted the connection. The kernel resets connections that are still queued when a port is closed, and a
// proxy must not repeat a POST that may have arrived, so queued connections are accepted first.
type gracefulListener struct {
	*net.TCPListener
	closing atomic.Bool
	once    sync.Once
	err     error
	// late are the connections that were accepted while closing.
	late chan net.Conn
}

// newGracefulListener wraps a listener; only TCP listeners are closed gracefully.
func newGracefulListener(l net.Listener) net.Listener {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return l
	}
	return &gracefulListener{TCPListener: tcp, late: make(chan net.Conn, maxLate)}
}

// maxLate bounds how many connections are accepted while closing, as the kernel bounds its queue.
const maxLate = 4096

// Accept returns the next connection, those that were accepted while closing included, and fails after that.
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

// Close closes the port. The caller continues to call Accept until it fails.
func (l *gracefulListener) Close() error {
	l.once.Do(func() {
		l.closing.Store(true)
		acceptQueued(l.TCPListener, l.late)
		close(l.late)
		l.err = l.TCPListener.Close()
	})
	return l.err
}
