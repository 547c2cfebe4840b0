package brokertest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	host = "127.0.0.1"
	// Ports are chosen below those of outgoing connections, which could take the port of a server while it is stopped.
	firstPort = 10000
	lastPort  = 20000
	portTries = 100

	startTimeout = time.Minute
)

// StartServer returns a standalone nats-server with JetStream, on a new directory and a free port of this machine, that is
// stopped when the test ends. Options change its configuration.
func StartServer(t testing.TB, options ...func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{
		ServerName: "outside", Host: host, Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(),
	}
	for _, option := range options {
		option(opts)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatalf("configure nats-server: %v", err)
	}
	srv.Start()
	t.Cleanup(func() { StopServer(srv) })
	if !srv.ReadyForConnections(startTimeout) {
		t.Fatal("nats-server did not start")
	}
	return srv
}

// StopServer stops a server, which may be stopped already, and waits until it has stopped.
func StopServer(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// JetStream returns a plain client of the server at url, which is closed when the test ends. Nothing is declared.
func JetStream(t testing.TB, url string) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatalf("connect to %s: %v", url, err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// FreePort returns a free port of this machine.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // It is no secret.
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no free port after %d attempts", portTries)
	return 0
}
