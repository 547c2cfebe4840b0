//go:build !linux

package app

import "net"

// acceptQueued does nothing: the port is closed as usual.
func acceptQueued(*net.TCPListener, chan<- net.Conn) {}
