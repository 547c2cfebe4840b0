package app

import (
	"net"
	"os"
	"syscall"
)

// acceptQueued sends the connections in the accept queue to late and stops listening once the queue is empty.
func acceptQueued(l *net.TCPListener, late chan<- net.Conn) {
	raw, err := l.SyscallConn()
	if err != nil {
		return
	}
	var accepted []int
	_ = raw.Control(func(fd uintptr) {
		for len(accepted) < maxLate {
			conn, _, err := syscall.Accept4(int(fd), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
			if err == syscall.EINTR || err == syscall.ECONNABORTED {
				continue
			}
			if err != nil {
				break
			}
			accepted = append(accepted, conn)
		}
		// Stop listening right here, so that no connection is queued in between.
		_ = syscall.Shutdown(int(fd), syscall.SHUT_RD)
	})
	for _, fd := range accepted {
		file := os.NewFile(uintptr(fd), "accepted connection")
		if conn, err := net.FileConn(file); err == nil {
			late <- conn
		}
		_ = file.Close()
	}
}
