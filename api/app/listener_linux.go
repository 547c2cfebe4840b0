package app

import (
	"net"
	"os"
	"syscall"
)

// acceptQueued accepts what waits in the kernel's queue and closes the port at the moment at which nothing does.
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
		// It stops listening; nothing may come in between.
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
