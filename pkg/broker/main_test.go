package broker_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }

// hang bounds operations of a test, so that a test that hangs fails.
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

// await waits until the message is logged.
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

// count returns how often the message was logged.
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

// awaitCheck waits until Check succeeds.
func awaitCheck(t *testing.T, b *broker.Broker) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	limit := time.After(hang)
	for err := b.Check(t.Context()); err != nil; err = b.Check(t.Context()) {
		select {
		case <-ticker.C:
		case <-limit:
			t.Fatalf("Check did not succeed: %v", err)
		}
	}
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
