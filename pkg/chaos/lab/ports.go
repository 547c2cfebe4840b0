//go:build unix

package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	// Ports are chosen below those that the system gives to outgoing connections: one of them could take the port of a
	// child while that is dead.
	firstPort = 20000
	lastPort  = 32000
	portTries = 200
)

// freePort returns an address on this machine on which nobody listens.
func freePort(ctx context.Context) (string, error) {
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // Any will do.
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		return addr, l.Close()
	}
	return "", fmt.Errorf("find a free port: %d tries failed", portTries)
}
