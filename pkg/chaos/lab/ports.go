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
	// The range is below the ephemeral ports, so that no outgoing connection can take the port of a process while it is
	// down.
	firstPort = 20000
	lastPort  = 32000
	portTries = 200
)

// freePort returns a loopback address with a free port.
func freePort(ctx context.Context) (string, error) {
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // Any port will do.
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			continue
		}
		return addr, l.Close()
	}
	return "", fmt.Errorf("find a free port: %d tries failed", portTries)
}
