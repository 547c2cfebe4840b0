//go:build !linux

package app

import "net"

// acceptQueued does nothing on this system.
func acceptQueued(*net.TCPListener, chan<- net.Conn) {}
