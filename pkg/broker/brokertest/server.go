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
	// Ports are chosen below those that the system gives to outgoing connections: one of them could take the port of a
	// server while that is stopped.
	firstPort = 10000
	lastPort  = 20000
	portTries = 100

	startTimeout = time.Minute
)

// StartServer returns a nats-server as an operator would run it for this process, with JetStream on a new directory and
// on any free port of this machine, which is stopped when the test ends. Options change its configuration.
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

// StopServer stops a server and returns when it has stopped. It may be called again.
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

// FreePort returns a port of this machine on which nobody listens.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // Any will do.
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("%d ports are taken", portTries)
	return 0
}
