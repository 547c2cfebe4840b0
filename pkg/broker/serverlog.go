package broker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// serverLog passes the embedded server's lines on; its notices are of no interest to an operator by default.
type serverLog struct {
	log *slog.Logger
	// fatal is the first line after which the server cannot go on.
	fatal atomic.Pointer[string]
	mu    sync.Mutex
	// said is when which line was logged last.
	said map[string]time.Time
	// writeFailed is called with the line that says that a write to the disk failed. It may be nil.
	writeFailed func(line string)
}

func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.say(slog.LevelWarn, fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	// The server tells nobody else when it freezes a stream because it could not remove a message.
	if l.writeFailed != nil && strings.Contains(line, "ritical write error") {
		l.writeFailed(line)
	}
	l.say(slog.LevelError, line)
}

// say logs a line; the same line again within repeatAfter is of no interest. A disk that is full, for one, is reported
// with every write.
func (l *serverLog) say(level slog.Level, line string) {
	l.mu.Lock()
	now := time.Now()
	if said, ok := l.said[line]; ok && now.Sub(said) < repeatAfter {
		level = slog.LevelDebug
	} else {
		maps.DeleteFunc(l.said, func(_ string, at time.Time) bool { return now.Sub(at) >= repeatAfter })
		if l.said == nil || len(l.said) >= maxSaid {
			l.said = make(map[string]time.Time)
		}
		l.said[line] = now
	}
	l.mu.Unlock()
	l.log.Log(context.Background(), level, "nats server", "line", line)
}

const (
	repeatAfter = 10 * time.Minute
	// maxSaid bounds how many lines are remembered.
	maxSaid = 100
)

func (l *serverLog) Fatalf(format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	l.fatal.CompareAndSwap(nil, &line)
	l.log.Error("nats server", "line", line)
}

func (l *serverLog) Debugf(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}

func (l *serverLog) Tracef(format string, v ...any) {
	l.log.Debug("nats server", "line", fmt.Sprintf(format, v...))
}
