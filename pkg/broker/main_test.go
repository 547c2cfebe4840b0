package broker_test

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang bounds what should take moments, so that a test that hangs fails.
const hang = time.Minute

// lines is a log whose messages a test can wait for.
type lines struct {
	messages chan string
	// levels holds the level of the latest line with each message.
	levels *sync.Map
}

func newLines() lines { return lines{make(chan string, 1000), &sync.Map{}} }

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }

func (l lines) Handle(_ context.Context, r slog.Record) error {
	l.levels.Store(r.Message, r.Level)
	select {
	case l.messages <- r.Message:
	default:
	}
	return nil
}

// hasLevel fails the test when the latest line with the message has another level.
func (l lines) hasLevel(t *testing.T, message string, want slog.Level) {
	t.Helper()
	if got, _ := l.levels.Load(message); got != want {
		t.Errorf("%q is logged as %v, want %v", message, got, want)
	}
}

// await blocks until the message was logged.
func (l lines) await(t *testing.T, message string) {
	t.Helper()
	limit := time.After(hang)
	for {
		select {
		case got := <-l.messages:
			if got == message {
				return
			}
		case <-limit:
			t.Fatalf("%q was never logged", message)
		}
	}
}

// count returns how many of the lines up to now say the message.
func (l lines) count(message string) int {
	n := 0
	for {
		select {
		case got := <-l.messages:
			if got == message {
				n++
			}
		default:
			return n
		}
	}
}

// awaitCheck blocks until the broker says that it can be used.
func awaitCheck(t *testing.T, b *broker.Broker) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(hang)
	for err := b.Check(t.Context()); err != nil; err = b.Check(t.Context()) {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("it never could be used: %v", err)
		}
	}
}

// open is broker.Open with a bound, and with Close at the end of the test.
func open(t *testing.T, cfg broker.Config, log slog.Handler) (*broker.Broker, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	b, err := broker.Open(ctx, cfg, slog.New(log))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { closeBroker(t, b) })
	return b, nil
}

func mustOpen(t *testing.T, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := open(t, cfg, slog.DiscardHandler)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return b
}

func closeBroker(t *testing.T, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// external starts a server of its own, as an operator would, and stops it at the end of the test.
func external(t *testing.T, options ...func(*server.Options)) *server.Server {
	t.Helper()
	opts := &server.Options{
		ServerName: "outside", Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(),
	}
	for _, option := range options {
		option(opts)
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { stop(srv) })
	if !srv.ReadyForConnections(hang) {
		t.Fatal("the server did not start")
	}
	return srv
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// freePort returns a port on which nobody listens.
func freePort(t *testing.T) int {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func onPort(port int) func(*server.Options) { return func(o *server.Options) { o.Port = port } }

func urlOf(port int) string { return "nats://127.0.0.1:" + strconv.Itoa(port) }

// textLog is the text of a log.
type textLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *textLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *textLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
